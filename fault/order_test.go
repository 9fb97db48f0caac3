package fault

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Connections are gone through in the order in which they were made, whatever was closed in between: a run that is repeated
// wakes the same readers first.
func TestConnectionsHaveAnOrder(t *testing.T) {
	n := NewNetwork()
	l, err := n.Host("b").Listen("b:1")
	require.NoError(t, err)
	var want []string
	for i := range 40 {
		c, err := n.Host("a").DialContext(context.Background(), "tcp", "b:1")
		require.NoError(t, err)
		accepted, err := l.Accept()
		require.NoError(t, err)
		if i%3 == 0 {
			require.NoError(t, c.Close())
			require.NoError(t, accepted.Close())
			continue
		}
		want = append(want, strconv.Itoa(firstChosenPort+i))
	}
	var got []string
	for p := range n.core.all {
		_, port, err := net.SplitHostPort(p.ends[0].local.String())
		require.NoError(t, err)
		got = append(got, port)
	}
	require.Equal(t, want, got)
	require.NoError(t, n.Close())
}
