package minicluster

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

// When the switch has tripped the node is mute: what it has open is closed, all that wait
// on it return, and nothing new can be opened. Others cannot connect to it.
func TestKillSwitch(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		node, other := newKillSwitch(m.Host("node")), m.Host("other")
		nodeListener, err := node.Listen("node:1")
		require.NoError(t, err)
		otherListener, err := other.Listen("other:1")
		require.NoError(t, err)
		dialed, err := node.DialContext(t.Context(), "tcp", "other:1")
		require.NoError(t, err)
		remote, err := other.DialContext(t.Context(), "tcp", "node:1")
		require.NoError(t, err)
		accepted, err := nodeListener.Accept()
		require.NoError(t, err)
		closed, err := node.DialContext(t.Context(), "tcp", "other:1")
		require.NoError(t, err)
		require.NoError(t, closed.Close())
		require.Equal(t, 3, node.open.Len(), "what is closed is forgotten")

		waiting := make(chan error, 3)
		go func() { _, err := nodeListener.Accept(); waiting <- err }()
		go func() { _, err := accepted.Read(make([]byte, 1)); waiting <- err }()
		go func() { _, err := dialed.Read(make([]byte, 1)); waiting <- err }()
		synctest.Wait()
		require.Empty(t, waiting)
		node.trip()
		for range 3 {
			require.ErrorIs(t, <-waiting, net.ErrClosed)
		}
		require.NoError(t, remote.SetReadDeadline(time.Now().Add(time.Second)))
		_, err = remote.Read(make([]byte, 1))
		require.Error(t, err)
		_, err = node.Listen("node:2")
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = node.DialContext(t.Context(), "tcp", "other:1")
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorContains(t, err, "killed")
		_, err = other.DialContext(t.Context(), "tcp", "node:1")
		require.Error(t, err)

		again, err := newKillSwitch(m.Host("node")).Listen("node:1")
		require.NoError(t, err, "the next life has the port")
		require.NoError(t, errors.Join(again.Close(), otherListener.Close(), remote.Close(), m.Close()))
	})
}

// closer notes when it is closed.
type closer struct {
	n      int
	closed *[]int
}

func (c closer) Close() error {
	*c.closed = append(*c.closed, c.n)
	return nil
}

// What a node has open is closed in the order in which it was opened.
func TestKillSwitchHasAnOrder(t *testing.T) {
	k, closed := newKillSwitch(nil), []int(nil)
	for n := range 20 {
		at, err := k.add(closer{n, &closed})
		require.NoError(t, err)
		if n == 7 {
			k.remove(at)
		}
	}
	k.trip()
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, closed)
}
