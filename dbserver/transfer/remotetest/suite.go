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

// get reads an object.
func get(ctx context.Context, r storage.Remote, name string) ([]byte, error) {
	in, err := r.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(in)
	return data, errors.Join(err, in.Close())
}

// Suite checks what the transfer of backups counts on. open returns the same empty
// storage each time.
func Suite(t *testing.T, open func(t *testing.T) storage.Remote) {
	s := suite{t, open(t), open(t)}
	defer func() { require.NoError(t, errors.Join(s.writer.Close(), s.reader.Close())) }()
	s.nothingIsThere()
	s.whatIsWrittenIsThere()
	s.objectsAreReplaced()
	s.brokenContentIsNotWhole()
	s.whatIsRemovedIsGone()
}

// suite has one storage, opened twice: what one writes the other reads.
type suite struct {
	t              *testing.T
	writer, reader storage.Remote
}

func (s suite) names(folder string) []string {
	objects, err := s.reader.List(s.t.Context(), folder)
	require.NoError(s.t, err)
	found := []string{}
	for _, o := range objects {
		found = append(found, o.Name)
	}
	slices.Sort(found)
	return found
}

func (s suite) folders(folder string) []string {
	found, err := s.reader.Folders(s.t.Context(), folder)
	require.NoError(s.t, err)
	slices.Sort(found)
	return found
}

// An empty storage answers without an error.
func (s suite) nothingIsThere() {
	t, ctx := s.t, s.t.Context()
	require.Empty(t, s.names(""))
	require.Empty(t, s.names("sessions"))
	require.Empty(t, s.folders(""))
	require.Empty(t, s.folders("blobs"))
	_, err := s.writer.Stat(ctx, "blobs/ab/cd")
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = get(ctx, s.writer, "blobs/ab/cd")
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.NoError(t, s.writer.Remove(ctx, "blobs/ab/cd"))
}

// What was written is there at once, for others too, also what is empty or large.
func (s suite) whatIsWrittenIsThere() {
	t, ctx := s.t, s.t.Context()
	big := make([]byte, 3<<20+17)
	_, _ = rand.Read(big)
	for name, data := range map[string][]byte{
		"blobs/ab/cd": big, "blobs/ef/gh": {}, "2026-01-01T00.00.00Z_x/PRMR-1/PIECE.json": []byte("{}"), "sessions/upload.0": []byte("a"),
	} {
		require.NoError(t, Put(ctx, s.writer, name, data), name)
		o, err := s.reader.Stat(ctx, name)
		require.NoError(t, err, name)
		require.Equal(t, storage.Object{Name: name, Size: int64(len(data))}, o)
		got, err := get(ctx, s.reader, name)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(data, got), "%s: %d bytes instead of %d", name, len(got), len(data))
	}
	require.Equal(t, []string{"2026-01-01T00.00.00Z_x/PRMR-1/PIECE.json", "blobs/ab/cd", "blobs/ef/gh", "sessions/upload.0"}, s.names(""))
	require.Equal(t, []string{"blobs/ab/cd", "blobs/ef/gh"}, s.names("blobs"))
	require.Equal(t, []string{"2026-01-01T00.00.00Z_x", "blobs", "sessions"}, s.folders(""))
	require.Equal(t, []string{"blobs/ab", "blobs/ef"}, s.folders("blobs"))
	require.Empty(t, s.folders("blobs/ab"))
}

// An object is replaced, by a shorter one too.
func (s suite) objectsAreReplaced() {
	t, ctx := s.t, s.t.Context()
	require.NoError(t, Put(ctx, s.writer, "sessions/upload.0", []byte("other")))
	got, err := get(ctx, s.reader, "sessions/upload.0")
	require.NoError(t, err)
	require.Equal(t, "other", string(got))
	require.NoError(t, Put(ctx, s.writer, "blobs/ab/cd", []byte("short")))
	got, err = get(ctx, s.writer, "blobs/ab/cd") // one that has listed it before may see what it saw
	require.NoError(t, err)
	require.Equal(t, "short", string(got))
}

// Content that breaks off leaves nothing that looks whole, and its error comes back.
func (s suite) brokenContentIsNotWhole() {
	t, ctx := s.t, s.t.Context()
	broken := errors.New("broken pipe in the test")
	err := s.writer.Put(ctx, "blobs/ij/kl", 100, func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 50)), failing{broken})), nil
	})
	require.ErrorIs(t, err, broken)
	if o, err := s.reader.Stat(ctx, "blobs/ij/kl"); err == nil {
		require.NotEqualValues(t, 100, o.Size)
	} else {
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
}

// What is removed is gone. A call whose context has ended is an error.
func (s suite) whatIsRemovedIsGone() {
	t, ctx := s.t, s.t.Context()
	for _, name := range s.names("") {
		require.NoError(t, s.writer.Remove(ctx, name))
		_, err := s.reader.Stat(ctx, name)
		require.ErrorIs(t, err, storage.ErrNotFound, name)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, Put(ended, s.writer, "blobs/mn/op", []byte("x")))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
