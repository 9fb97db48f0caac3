package minicluster

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
)

// numbered is a life of a server of which its process id alone is known.
type numbered struct {
	running
	number int
	ended  chan struct{}
}

func (n numbered) pid() int              { return n.number }
func (n numbered) done() <-chan struct{} { return n.ended }

// A process that is not the server's, and serves its socket, gets none of its orders: what is said to be broken would not be, and
// something else would.
func TestOrdersAreForTheServersProcess(t *testing.T) {
	dir := t.TempDir()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	s, err := control.Serve(ctx, filepath.Join(dir, control.SocketName), control.NewFaults(control.Parts{Names: func() []string { return []string{"dbserver-1"} }}))
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	n := &node{name: "dbserver-1", at: site{dir: dir}}
	c, err := dialNode(ctx, n, numbered{number: os.Getpid(), ended: make(chan struct{})})
	require.NoError(t, err)
	c.Close()
	_, err = dialNode(ctx, n, numbered{number: os.Getpid() + 1, ended: make(chan struct{})})
	require.ErrorIs(t, err, control.NotAllowed)
	require.ErrorContains(t, err, "serves its control socket: end that one")
}
