package reader

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
)

// TestABackupIsRead: a reader has the state that the cluster had, whatever the cluster does meanwhile and afterwards, and changes
// nothing of the pieces. What its clients write is in memory.
func TestABackupIsRead(t *testing.T) {
	inBubble(t, func(l *lab) {
		t := l.t
		l.fill("c", 60)
		l.must(l.client.CreateDatabase(t.Context(), "other"))
		l.must(l.client.Database("other").CreateCollection(t.Context(), "empty", 3))
		before := l.read(l.client)
		require.Equal(t, []any{2, 2, int64(60)}, []any{before.Databases, before.Collections, before.Documents})
		id := l.backup("a")
		l.fill("c", 10) // replaces: the same documents with other revisions
		require.NotEqual(t, before, l.read(l.client))
		was := map[string]string{}
		for _, p := range l.pieces(id) {
			for name, sum := range hashes(t, p.FS, p.Dir) {
				was[name] = sum
			}
		}
		r := l.open(id)
		require.Equal(t, before, l.read(r.Client()))
		require.Equal(t, id, r.ID())
		report, err := r.Inspect(t.Context(), nil)
		l.must(err)
		require.Equal(t, before, report.Contents)
		require.Equal(t, []int{9, 15, 15}, []int{report.Shards, report.Replicas, report.InSync})
		require.Empty(t, report.Problems)

		cert := r.Certificate()
		require.NoError(t, cert.Check(nil))
		plan, index := r.Plan()
		require.Equal(t, cert.Agency.Index, index)
		require.Equal(t, index, report.PlanIndex)
		require.Contains(t, string(plan), `"Collections"`)

		second := l.open(id) // two at once do not know of each other
		l.must(r.Client().Database("").Put(t.Context(), "c", map[string]any{"_key": "new"}))
		require.NotEqual(t, before, l.read(r.Client()))
		require.Equal(t, before, l.read(second.Client()))
		l.must(errors.Join(r.Close(), r.Close(), second.Close()))
		for _, p := range l.pieces(id) {
			for name, sum := range hashes(t, p.FS, p.Dir) {
				require.Equal(t, was[name], sum, name)
				delete(was, name)
			}
		}
		require.Empty(t, was)
	})
}

// The backup that a restore makes of what it replaces, and one that was taken without the global lock, can be read, too; they say of
// themselves what they are.
func TestBackupsWithoutEvidence(t *testing.T) {
	inBubble(t, func(l *lab) {
		t := l.t
		l.fill("c", 20)
		id := l.backup("a")
		l.fill("d", 5)
		now := l.read(l.client)
		res, err := l.client.Backups().Restore(t.Context(), client.RestoreRequest{ID: id})
		l.must(err)
		r := l.open(res.Previous)
		require.Equal(t, certificate.Certificate{}, r.Certificate())
		report, err := r.Inspect(t.Context(), nil)
		l.must(err)
		require.Equal(t, now, report.Contents)
		require.Equal(t, []int{12, 24, 0}, []int{report.Shards, report.Replicas, report.InSync})
		require.Empty(t, report.Problems)
		l.must(r.Close())
	})
}

// counted is a disk that calls at when so many files were opened on it.
type counted struct {
	vfs.FS
	left int
	at   func()
}

func (c *counted) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if c.left--; c.left == 0 {
		c.at()
	}
	return c.FS.Open(name, opts...)
}

// A reader is given up when its context ends, whatever it is doing, and nothing of it is left: the bubble would not end. That says
// nothing of the backup.
func TestOpenIsGivenUp(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.fill("c", 20)
		id := l.backup("a")
		given := 0
		for n := 1; ; n += 3 {
			ctx, cancel := context.WithCancel(l.t.Context())
			pieces := l.pieces(id)
			disk := &counted{pieces[1].FS, n, cancel}
			pieces[1].FS = disk
			r, err := Open(ctx, id, pieces)
			if disk.left > 0 {
				l.must(err)
				l.must(r.Close())
				cancel()
				break
			}
			if err == nil { // the restore was committed when its client went
				l.must(r.Close())
				continue
			}
			given++
			var refusal *Refusal
			require.False(l.t, errors.As(err, &refusal), "%v", err)
			require.ErrorIs(l.t, err, context.Canceled)
		}
		require.Greater(l.t, given, 3)
	})
}

// A disk that refuses proves no damage.
func TestDiskThatRefuses(t *testing.T) {
	inBubble(t, func(l *lab) {
		id := l.backup("a")
		pieces := l.pieces(id)
		pieces[2].FS = errorfs.Wrap(pieces[2].FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, piece.FileMeta) {
				return &fs.PathError{Op: "open", Path: op.Path, Err: fs.ErrPermission}
			}
			return nil
		}))
		_, err := Open(l.t.Context(), id, pieces)
		require.ErrorIs(l.t, err, ErrUnreadable)
	})
}

// The progress of a long read is told.
func TestProgressIsTold(t *testing.T) {
	inBubble(t, func(l *lab) {
		t := l.t
		l.must(l.client.Database("").CreateCollection(t.Context(), "c", 1))
		var lines bytes.Buffer
		encoder := json.NewEncoder(&lines)
		for range 2500 {
			l.must(encoder.Encode(map[string]any{"v": 1}))
		}
		_, err := l.client.Database("").Import(t.Context(), "c", client.DuplicateError, io.Reader(&lines))
		l.must(err)
		var told []int64
		contents, err := ReadAll(t.Context(), l.client, func(c Contents) { told = append(told, c.Documents) })
		l.must(err)
		require.EqualValues(t, 2500, contents.Documents)
		require.Equal(t, []int64{1000, 2000}, told)
	})
}
