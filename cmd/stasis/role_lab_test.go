package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
	"stasis/internal/datadir"
)

// The socket of a server that takes faults is there when it has locked its data directory, and not before. Another process that is
// started on the directory takes neither.
func TestLabSocketComesAfterTheLock(t *testing.T) {
	dir := t.TempDir()
	first, second := labOptions{on: true}, labOptions{on: true}
	for _, o := range []*labOptions{&first, &second} {
		require.NoError(t, o.open(t.Context(), dir, "dbserver-1"))
		defer func() { require.NoError(t, o.lab.end()) }()
		defer func() { require.NoError(t, o.lab.close()) }()
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)

	server, err := datadir.Open(first.lab.fs(), dir, datadir.DBServer, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	_, err = datadir.Open(second.lab.fs(), dir, datadir.DBServer, nil)
	require.ErrorIs(t, err, datadir.ErrInUse)
	require.Nil(t, second.lab.socket)
	c, err := control.Dial(t.Context(), filepath.Join(dir, control.SocketName))
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, server.ID(), c.Hello().ID)
	require.Equal(t, []string{"dbserver-1"}, c.Hello().Servers)
}

// Without a server nothing is left in a directory that is none of a server.
func TestLabLeavesOtherDirectoriesAlone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600))
	o := labOptions{on: true}
	require.NoError(t, o.open(t.Context(), dir, "dbserver-1"))
	require.NoError(t, o.lab.close())
	require.NoError(t, o.lab.end())
	require.NoDirExists(t, filepath.Join(dir, filepath.Dir(control.SocketName)))
}
