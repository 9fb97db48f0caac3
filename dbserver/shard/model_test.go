package shard

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// modelDocument is a document as a test understands it.
type modelDocument struct {
	rev  string
	body map[string]any
}

// model is what a shard should be: a map, and the numbers that go with it.
type model struct {
	documents map[string]modelDocument
	writes    uint64
	highest   string
}

// merged is the naive reading of the merge rules: everything decoded.
func merged(stored, patch map[string]any, dropNulls, replaceNested bool) map[string]any {
	out := maps.Clone(stored)
	for name, v := range patch {
		old, oldIs := out[name].(map[string]any)
		nested, newIs := v.(map[string]any)
		switch {
		case v == nil && dropNulls:
			delete(out, name)
		case newIs && oldIs && !replaceNested:
			out[name] = merged(old, nested, dropNulls, replaceNested)
		case newIs && dropNulls:
			out[name] = merged(map[string]any{}, nested, dropNulls, replaceNested)
		default:
			out[name] = v
		}
	}
	return out
}

// expect says how the model takes an operation: the error, or the body stored.
func (m *model) expect(op dbclient.Op, body map[string]any) (num apierror.Num, put map[string]any, remove bool) {
	d, found := m.documents[op.Key]
	switch {
	case !found && op.Kind == dbclient.OpInsert:
		return 0, body, false
	case !found:
		return apierror.DocumentNotFound, nil, false
	case op.Kind == dbclient.OpInsert && op.OverwriteMode == dbclient.OverwriteIgnore:
		return 0, nil, false
	case op.Kind == dbclient.OpInsert && (op.OverwriteMode == "" || op.OverwriteMode == dbclient.OverwriteConflict):
		return apierror.UniqueConstraint, nil, false
	case op.IfMatch != "" && op.IfMatch != d.rev:
		return apierror.Conflict, nil, false
	case op.Kind == dbclient.OpRemove:
		return 0, nil, true
	case op.Kind == dbclient.OpRead:
		return 0, nil, false
	case op.Kind == dbclient.OpUpdate || op.OverwriteMode == dbclient.OverwriteUpdate:
		return 0, merged(d.body, body, op.DropNulls, op.ReplaceNested), false
	}
	return 0, body, false
}

var (
	genKey   = rapid.SampledFrom([]string{"a", "b", "c", "aa", "a-b"})
	genKind  = rapid.SampledFrom([]dbclient.OpKind{dbclient.OpRead, dbclient.OpInsert, dbclient.OpReplace, dbclient.OpUpdate, dbclient.OpRemove})
	genMode  = rapid.SampledFrom([]dbclient.OverwriteMode{"", dbclient.OverwriteConflict, dbclient.OverwriteIgnore, dbclient.OverwriteReplace, dbclient.OverwriteUpdate})
	genName  = rapid.SampledFrom([]string{"x", "y", "z", "\"", "_key", "_rev", "é"})
	genValue = rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any]("}{"), rapid.Just[any]("a,\":\\"),
		rapid.Map(rapid.IntRange(-3, 3), func(i int) any { return float64(i) }), rapid.Just[any]([]any{nil, "]", map[string]any{"n": nil}}))
)

func genBody(depth int) *rapid.Generator[map[string]any] {
	value := genValue
	if depth > 0 {
		value = rapid.OneOf(value, rapid.Map(genBody(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.MapOfN(genName, value, 0, 4)
}

func withoutSystem(body map[string]any) map[string]any {
	out := maps.Clone(body)
	for _, name := range []string{"_key", "_id", "_rev"} {
		delete(out, name)
	}
	return out
}

// A shard agrees with the model after any operations, whatever is reopened in
// between, and its log tells the same story.
func TestShardIsLikeItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs, clock := vfs.NewMem(), &Clock{}
		retention := Retention{Entries: uint64(rapid.IntRange(4, 40).Draw(t, "entries")), Bytes: 1 << 20}
		o := open(t, fs, clock, retention)
		defer func() { o.close() }()
		tenure := Tenure{1, 1}
		s := o.leader(tenure)
		m := &model{documents: map[string]modelDocument{}}
		t.Repeat(map[string]func(*rapid.T){
			"operation": func(t *rapid.T) { m.step(t, s) },
			"truncate": func(t *rapid.T) {
				require.NoError(t, s.Truncate(t.Context(), dbclient.TruncateRequest{WaitForSync: rapid.Bool().Draw(t, "sync")}))
				clear(m.documents)
				m.writes++
			},
			"reopen": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
					return
				}
				o.close()
				if rapid.Bool().Draw(t, "new process") {
					clock = &Clock{}
				}
				o = open(t, fs, clock, retention)
				tenure.Reboot++
				s = o.leader(tenure)
			},
			"": func(t *rapid.T) { m.check(t, s, retention) },
		})
	})
}

// step does one operation on both.
func (m *model) step(t *rapid.T, s *Shard) {
	body := genBody(2).Draw(t, "body")
	op := dbclient.Op{
		Kind: genKind.Draw(t, "kind"), Key: genKey.Draw(t, "key"), OverwriteMode: genMode.Draw(t, "mode"),
		DropNulls: rapid.Bool().Draw(t, "dropNulls"), ReplaceNested: rapid.Bool().Draw(t, "replaceNested"),
	}
	before, existed := m.documents[op.Key]
	switch rapid.IntRange(0, 3).Draw(t, "ifMatch") {
	case 0:
		op.IfMatch = before.rev
	case 1:
		op.IfMatch = "other"
	}
	if op.Kind == dbclient.OpRemove || op.Kind == dbclient.OpRead {
		op.OverwriteMode = ""
	} else {
		var err error
		op.Document, err = json.Marshal(body)
		require.NoError(t, err)
	}
	num, put, remove := m.expect(op, withoutSystem(body))
	results, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}, ReturnNew: true, ReturnOld: true})
	require.NoError(t, err)
	r := results[0]
	if num != 0 {
		require.NotNil(t, r.Error, "%+v", op)
		require.Equal(t, num, r.Error.Num)
		if num == apierror.Conflict {
			require.Equal(t, before.rev, r.Rev)
		}
		return
	}
	require.Nil(t, r.Error)
	switch {
	case remove:
		require.Equal(t, before.rev, r.Rev)
		delete(m.documents, op.Key)
		m.writes++
	case put != nil:
		require.Equal(t, !existed, r.Created)
		require.Equal(t, before.rev, r.OldRev)
		require.Greater(t, r.Rev, m.highest, "revisions increase")
		m.documents[op.Key], m.highest = modelDocument{rev: r.Rev, body: put}, r.Rev
		m.writes++
		requireDocument(t, op.Key, m.documents[op.Key], r.New)
	case op.Kind == dbclient.OpRead:
		requireDocument(t, op.Key, before, r.New)
	default:
		require.True(t, r.Ignored)
	}
	if existed && (put != nil || remove) {
		requireDocument(t, op.Key, before, r.Old)
	}
}

func requireDocument(t require.TestingT, key string, want modelDocument, have json.RawMessage) {
	var got map[string]any
	require.NoError(t, json.Unmarshal(have, &got))
	require.Equal(t, key, got["_key"])
	require.Equal(t, "c/"+key, got["_id"])
	require.Equal(t, want.rev, got["_rev"])
	require.Equal(t, want.body, withoutSystem(got))
}

func (m *model) check(t *rapid.T, s *Shard, r Retention) {
	require.NoError(t, s.Check(t.Context()))
	st := s.State()
	require.Equal(t, uint64(len(m.documents)), st.Count)
	if m.highest != "" {
		require.GreaterOrEqual(t, st.Revision, m.highest)
	}
	require.Equal(t, m.writes, st.Last.Seq)
	require.Equal(t, m.writes, st.Committed)
	page, err := s.Scan(t.Context(), dbclient.ScanRequest{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Documents, len(m.documents))
	for i, name := range slices.Sorted(maps.Keys(m.documents)) {
		requireDocument(t, name, m.documents[name], page.Documents[i])
	}
	checkReplay(t, s, r)
}

// checkReplay demands of the log that it is bounded, reaches back far enough, and
// that a shard that applies it ends where this one is, if it reaches the start.
func checkReplay(t require.TestingT, s *Shard, r Retention) {
	m := metaOf(s)
	kept := m.seq + 1 - m.log.first
	require.LessOrEqual(t, kept, r.Entries+1)
	require.GreaterOrEqual(t, kept, min(m.seq, r.Entries/2))
	_, _, ok, err := s.Log(m.log.first-1, 1)
	require.NoError(t, err)
	require.False(t, ok, "a reader from before the log is told so")
	_, records, ok, err := s.Log(m.log.first, 1<<30)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, records, int(kept))
	if m.log.first > 1 {
		return
	}
	replayed := map[string]string{}
	for _, record := range records {
		for _, c := range record.Changes {
			switch c.Kind {
			case Put:
				replayed[c.Key] = string(c.Value)
			case Delete:
				delete(replayed, c.Key)
			case Truncate:
				clear(replayed)
			}
		}
	}
	require.Len(t, replayed, int(m.count))
	for name, value := range replayed {
		d, err := s.r.st.get(name)
		require.NoError(t, err)
		require.NotNil(t, d, name)
		require.Equal(t, value, string(d.encode()), fmt.Sprintf("key %s", name))
	}
}
