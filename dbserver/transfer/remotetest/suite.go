package remotetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer/storage"
)

// Put stores bytes.
func Put(ctx context.Context, r storage.Remote, name string, data []byte) error {
	return r.Put(ctx, name, int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
}

// Get reads an object.
func Get(ctx context.Context, r storage.Remote, name string) ([]byte, error) {
	in, err := r.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(in)
	return data, errors.Join(err, in.Close())
}

// Suite checks what the transfer of backups counts on. open gives the same empty
// storage each time.
func Suite(t *testing.T, open func(t *testing.T) storage.Remote) {
	ctx := t.Context()
	r, second := open(t), open(t)
	defer func() { require.NoError(t, errors.Join(r.Close(), second.Close())) }()
	names := func(folder string) []string {
		objects, err := second.List(ctx, folder)
		require.NoError(t, err)
		found := []string{}
		for _, o := range objects {
			found = append(found, o.Name)
		}
		slices.Sort(found)
		return found
	}

	folders := func(folder string) []string {
		found, err := second.Folders(ctx, folder)
		require.NoError(t, err)
		slices.Sort(found)
		return found
	}

	// Nothing is there, and that is no trouble.
	require.Empty(t, names(""))
	require.Empty(t, names("sessions"))
	require.Empty(t, folders(""))
	require.Empty(t, folders("blobs"))
	_, err := r.Stat(ctx, "blobs/ab/cd")
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = Get(ctx, r, "blobs/ab/cd")
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.NoError(t, r.Remove(ctx, "blobs/ab/cd"))

	// What was written is there at once, for others too; also what is empty or large.
	big := make([]byte, 3<<20+17)
	_, _ = rand.Read(big)
	for name, data := range map[string][]byte{
		"blobs/ab/cd": big, "blobs/ef/gh": {}, "2026-01-01T00.00.00Z_x/PRMR-1/PIECE.json": []byte("{}"), "sessions/upload.0": []byte("a"),
	} {
		require.NoError(t, Put(ctx, r, name, data), name)
		o, err := second.Stat(ctx, name)
		require.NoError(t, err, name)
		require.Equal(t, storage.Object{Name: name, Size: int64(len(data))}, o)
		got, err := Get(ctx, second, name)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(data, got), "%s: %d bytes instead of %d", name, len(got), len(data))
	}
	require.Equal(t, []string{"2026-01-01T00.00.00Z_x/PRMR-1/PIECE.json", "blobs/ab/cd", "blobs/ef/gh", "sessions/upload.0"}, names(""))
	require.Equal(t, []string{"blobs/ab/cd", "blobs/ef/gh"}, names("blobs"))
	require.Equal(t, []string{"2026-01-01T00.00.00Z_x", "blobs", "sessions"}, folders(""))
	require.Equal(t, []string{"blobs/ab", "blobs/ef"}, folders("blobs"))
	require.Empty(t, folders("blobs/ab"))

	// An object is replaced, by a shorter one too.
	require.NoError(t, Put(ctx, r, "sessions/upload.0", []byte("other")))
	got, err := Get(ctx, second, "sessions/upload.0")
	require.NoError(t, err)
	require.Equal(t, "other", string(got))
	require.NoError(t, Put(ctx, r, "blobs/ab/cd", []byte("short")))
	got, err = Get(ctx, r, "blobs/ab/cd") // who has listed it before may see what it saw
	require.NoError(t, err)
	require.Equal(t, "short", string(got))

	// Content that breaks off leaves nothing that looks whole, and its error comes back.
	broken := errors.New("broken pipe in the test")
	err = r.Put(ctx, "blobs/ij/kl", 100, func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 50)), failing{broken})), nil
	})
	require.ErrorIs(t, err, broken)
	if o, err := second.Stat(ctx, "blobs/ij/kl"); err == nil {
		require.NotEqualValues(t, 100, o.Size)
	} else {
		require.ErrorIs(t, err, storage.ErrNotFound)
	}

	// What is removed is gone; what is cancelled says so.
	for _, name := range names("") {
		require.NoError(t, r.Remove(ctx, name))
		_, err := second.Stat(ctx, name)
		require.ErrorIs(t, err, storage.ErrNotFound, name)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, Put(ended, r, "blobs/mn/op", []byte("x")))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
