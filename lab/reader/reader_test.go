package reader

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
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

// A reader is given up when its context ends, and nothing of it is left: the bubble would not end.
func TestOpenIsGivenUp(t *testing.T) {
	inBubble(t, func(l *lab) {
		id := l.backup("a")
		ctx, cancel := withCause(l.t)
		cancel()
		_, err := Open(ctx, id, l.pieces(id))
		require.Error(l.t, err)
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
