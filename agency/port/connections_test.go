package port

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// closing is a connection that notes its name when it is closed.
type closing struct {
	net.Conn
	name int
	to   *[]int
}

func (c closing) Close() error {
	*c.to = append(*c.to, c.name)
	return nil
}

// TestConnectionsAreBounded: each group of connections keeps the newest ones; a connection that has
// said who it is counts in its new group only; and the end comes in the order in which they were
// opened.
func TestConnectionsAreBounded(t *testing.T) {
	var closed []int
	var s connections
	var open []*connection
	for i := range mostUnknown + 3 {
		c := s.add(closing{name: i, to: &closed})
		open = append(open, c)
		s.unknown(c)
	}
	require.Equal(t, []int{0, 1, 2}, closed, "the oldest give way")
	for _, c := range open[:3] { // as their readers do
		require.NoError(t, c.Close())
	}
	closed = nil
	s.welcomed(open[10])
	require.Len(t, s.callers, 1)
	c := s.add(closing{name: -1, to: &closed})
	s.unknown(c)
	require.Empty(t, closed, "there is room: one has said who it is")
	require.NoError(t, open[11].Close())
	s.welcomed(open[11])
	require.Len(t, s.callers, 1, "a connection that was closed meanwhile does not come back")

	all := s.close()
	require.Len(t, all, mostUnknown)
	for i := 1; i < len(all)-1; i++ {
		require.Less(t, all[i-1].Conn.(closing).name, all[i].Conn.(closing).name, "in the order in which they were opened")
	}
	closed = nil
	require.Nil(t, s.add(closing{name: 7, to: &closed}))
	require.Equal(t, []int{7}, closed, "what comes after the end is closed")
}
