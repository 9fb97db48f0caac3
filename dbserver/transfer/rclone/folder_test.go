package rclone

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// Local remotes are off without a root, and are below it with one.
func TestLocalIsBelowItsRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	config := dbclient.RemoteConfig{"r": {"type": "local"}}
	off, err := New(Options{})
	require.NoError(t, err)
	require.ErrorContains(t, off.Check(dbclient.Remote{Name: "r", Path: root}, config), "without --backup.local-root")
	s, err := New(Options{LocalRoot: root})
	require.NoError(t, err)
	for path, allowed := range map[string]bool{
		root + "/x": true, root + "/x/../y": true, root: false, root + "/": false, root + "/..": false, root + "/../other": false,
		outside: false, "/": false, "": false, "/etc": false, root + "x": false, "relative": false,
	} {
		err := s.Check(dbclient.Remote{Name: "r", Path: path}, config)
		require.Equal(t, allowed, err == nil, "a path outside of the root is allowed, or one below is not: %q: %v", path, err)
		if r, oerr := s.Open(t.Context(), dbclient.Remote{Name: "r", Path: path}, config, nil); allowed {
			require.NoError(t, oerr)
			require.NoError(t, r.Close())
		} else {
			require.Error(t, oerr, path)
		}
	}
	for _, bad := range []string{filepath.Join(root, "none"), filepath.Join(root, "file")} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
		_, err := New(Options{LocalRoot: bad})
		require.ErrorContains(t, err, "--backup.local-root", bad)
	}
}

// Symbolic links are not followed, wherever they are and wherever they lead; devices
// and pipes are not opened. What is there is neither read nor changed nor removed.
func TestLocalFollowsNoLinks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("kept"), 0o600))
	at := func(parts ...string) string { return filepath.Join(append([]string{root, "remote"}, parts...)...) }
	mkdir(t, at("real"))
	require.NoError(t, os.WriteFile(at("real", "object"), []byte("inside"), 0o600))
	for name, target := range map[string]string{"out": outside, "in": "real", "up": "..", "none": "/no/such", "victim": victim, "object": filepath.Join("real", "object")} {
		require.NoError(t, os.Symlink(target, at(name)))
	}
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	s, err := New(Options{LocalRoot: root})
	require.NoError(t, err)
	config := dbclient.RemoteConfig{"r": {"type": "local"}}
	ctx := t.Context()
	for _, base := range []string{"out", "in", "up", "in/below", "victim"} {
		_, err := s.Open(ctx, dbclient.Remote{Name: "r", Path: at(base)}, config, nil)
		require.ErrorContains(t, err, "symbolic link", "a symbolic link is followed: %s", base)
	}
	r, err := s.Open(ctx, dbclient.Remote{Name: "r", Path: at()}, config, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for _, name := range []string{"out/victim", "in/object", "up/remote/real/object", "victim", "object", "pipe"} {
		_, err := r.Open(ctx, name)
		require.ErrorIs(t, err, storage.ErrFinal, name)
		_, err = r.Stat(ctx, name)
		require.ErrorIs(t, err, storage.ErrFinal, name)
		require.ErrorIs(t, r.Remove(ctx, name), storage.ErrFinal, name)
	}
	for _, name := range []string{"out/new", "out/victim", "in/new", "none/new", "victim/x"} {
		require.Error(t, remotetest.Put(ctx, r, name, []byte("changed")), name)
	}
	require.NoError(t, remotetest.Put(ctx, r, "object", []byte("changed")), "it takes the place of a link, which is not followed")
	objects, err := r.List(ctx, "")
	require.NoError(t, err)
	require.ElementsMatch(t, []storage.Object{{Name: "real/object", Size: 6}, {Name: "object", Size: 7}}, objects)
	folders, err := r.Folders(ctx, "")
	require.NoError(t, err)
	require.Equal(t, []string{"real"}, folders)
	for path, want := range map[string]string{victim: "kept", at("real", "object"): "inside"} {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(content))
	}
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing was written outside")
}

// A link that is put into a folder's place while the remote is open leads nowhere
// outside of the root.
func TestLocalLinkThatComesLater(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "object"), []byte("secret"), 0o600))
	r, err := openFolder(root, filepath.Join(root, "remote"))
	require.NoError(t, err)
	require.NoError(t, remotetest.Put(t.Context(), r, "folder/object", []byte("mine")))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "remote", "folder")))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "remote", "folder")))
	f := r.(*folder)
	_, err = f.root.Open(f.at("folder/object")) // as if the link had come after the look
	require.ErrorContains(t, err, "path escapes from parent")
	_, err = r.Open(t.Context(), "folder/object")
	require.ErrorContains(t, err, "symbolic link")
	require.NoError(t, r.Close())
}

// A write that fails leaves nothing.
func TestLocalLeavesNoParts(t *testing.T) {
	root := t.TempDir()
	r, err := openFolder(root, filepath.Join(root, "remote"))
	require.NoError(t, err)
	err = r.Put(t.Context(), "a/b", 10, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte("short"))), nil })
	require.ErrorContains(t, err, "10 bytes were to be written, 5 were")
	objects, err := r.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, objects)
	require.NoError(t, r.Close())
}
