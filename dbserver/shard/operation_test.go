package shard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// stored strips what the server put in, so that tests read what the client sent.
func stored(t *testing.T, r dbclient.OpResult) string {
	t.Helper()
	require.Nil(t, r.Error)
	head := `{"_key":"` + r.Key + `","_id":"c/` + r.Key + `","_rev":"` + r.Rev + `"`
	require.True(t, strings.HasPrefix(string(r.New), head), "%s", r.New)
	return "{" + strings.TrimPrefix(strings.TrimPrefix(string(r.New), head), ",")
}

func TestDocumentsKeepOrderAndNumbers(t *testing.T) {
	s := fresh(t)
	for name, doc := range map[string][2]string{
		"order":      {`{"z":1,"a":2,"m":{"y":1,"b":2}}`, `{"z":1,"a":2,"m":{"y":1,"b":2}}`},
		"numbers":    {`{"n":[12345678901234567890123,-0.0,1e400,2.7182818284590452353602874]}`, `{"n":[12345678901234567890123,-0.0,1e400,2.7182818284590452353602874]}`},
		"white":      {" {\n\"a\" : [ 1 , 2 ] } ", `{"a":[1,2]}`},
		"html":       {`{"<b>":"&<>"}`, `{"<b>":"&<>"}`},
		"system":     {`{"_rev":"x","a":1,"_id":"o/1","_key":"other"}`, `{"a":1}`},
		"escaped":    {`{"\u005fkey":"x","a\"}":"}{\\"}`, `{"a\"}":"}{\\"}`},
		"twice":      {`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		"empty":      {`{}`, `{}`},
		"inside":     {`{"o":{"_key":1}}`, `{"o":{"_key":1}}`},
		"surrogates": {`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\ude00"}`},
	} {
		r := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: name, Document: raw(doc[0])})
		require.Equal(t, doc[1], stored(t, r), name)
		require.Equal(t, r.New, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: name}).New, name)
	}
}

func TestManyAttributes(t *testing.T) {
	s := fresh(t)
	var b strings.Builder
	for i := range 20_000 {
		b.WriteString(`"` + revision(uint64(i)) + `":1,`)
	}
	doc := "{" + b.String() + `"last":1}`
	r := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(doc)})
	require.Equal(t, doc, stored(t, r))
	r = one(t, s, dbclient.Op{Kind: dbclient.OpUpdate, Key: "k", Document: raw(`{"last":2,"more":3}`)})
	require.Equal(t, strings.Replace(doc, `"last":1`, `"last":2,"more":3`, 1), stored(t, r))
}

// The rules of an update: what merges, what replaces, what null does.
func TestUpdateMerges(t *testing.T) {
	s := fresh(t)
	const before = `{"a":1,"o":{"x":1,"y":{"z":2}},"n":null,"l":[1,2]}`
	for _, c := range []struct {
		patch                string
		dropNulls, nestedToo bool
		after                string
	}{
		{`{"b":2}`, false, false, `{"a":1,"o":{"x":1,"y":{"z":2}},"n":null,"l":[1,2],"b":2}`},
		{`{"a":null}`, false, false, `{"a":null,"o":{"x":1,"y":{"z":2}},"n":null,"l":[1,2]}`},
		{`{"a":null,"q":null}`, true, false, `{"o":{"x":1,"y":{"z":2}},"n":null,"l":[1,2]}`},
		{`{"o":{"y":{"w":3}}}`, false, false, `{"a":1,"o":{"x":1,"y":{"z":2,"w":3}},"n":null,"l":[1,2]}`},
		{`{"o":{"y":{"w":3}}}`, false, true, `{"a":1,"o":{"y":{"w":3}},"n":null,"l":[1,2]}`},
		{`{"o":{"x":null,"y":5}}`, true, false, `{"a":1,"o":{"y":5},"n":null,"l":[1,2]}`},
		{`{"o":{"x":null,"v":1}}`, true, true, `{"a":1,"o":{"v":1},"n":null,"l":[1,2]}`},
		{`{"l":[null],"p":{"q":null,"r":{"s":null}}}`, true, false, `{"a":1,"o":{"x":1,"y":{"z":2}},"n":null,"l":[null],"p":{"r":{}}}`},
		{`{"a":{"b":1},"_key":"no"}`, false, false, `{"a":{"b":1},"o":{"x":1,"y":{"z":2}},"n":null,"l":[1,2]}`},
		{`{}`, true, false, before},
	} {
		do(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(before), OverwriteMode: dbclient.OverwriteReplace})
		op := dbclient.Op{Kind: dbclient.OpUpdate, Key: "k", Document: raw(c.patch), DropNulls: c.dropNulls, ReplaceNested: c.nestedToo}
		require.Equal(t, c.after, stored(t, one(t, s, op)), c.patch)
		op.Kind, op.OverwriteMode = dbclient.OpInsert, dbclient.OverwriteUpdate
		do(t, s, dbclient.Op{Kind: dbclient.OpReplace, Key: "k", Document: raw(before)})
		require.Equal(t, c.after, stored(t, one(t, s, op)), "insert %s", c.patch)
	}
}

func TestResultsOfOperations(t *testing.T) {
	s := fresh(t)
	created := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"v":1}`)})
	require.True(t, created.Created)
	require.Empty(t, created.OldRev)
	require.Nil(t, created.Old)

	ignored := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"v":2}`), OverwriteMode: dbclient.OverwriteIgnore})
	require.True(t, ignored.Ignored)
	require.Equal(t, created.Rev, ignored.Rev)

	replaced := one(t, s, dbclient.Op{Kind: dbclient.OpReplace, Key: "k", Document: raw(`{"w":3}`), IfMatch: created.Rev})
	require.Equal(t, created.Rev, replaced.OldRev)
	require.Equal(t, created.New, replaced.Old)
	require.Greater(t, replaced.Rev, created.Rev)
	require.Equal(t, `{"w":3}`, stored(t, replaced))

	same := one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k", IfNoneMatch: replaced.Rev})
	require.True(t, same.NotModified)
	require.Nil(t, same.New)
	other := one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k", IfNoneMatch: created.Rev, IfMatch: replaced.Rev})
	require.Equal(t, replaced.New, other.New)

	removed := one(t, s, dbclient.Op{Kind: dbclient.OpRemove, Key: "k", IfMatch: replaced.Rev})
	require.Equal(t, replaced.Rev, removed.Rev)
	require.Equal(t, replaced.New, removed.Old)
	require.Zero(t, s.State().Count)
}

func TestRefusedOperationsChangeNothing(t *testing.T) {
	s := fresh(t)
	held := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"v":1}`)})
	seq := s.State().Last.Seq
	for _, c := range []struct {
		op  dbclient.Op
		num apierror.Num
	}{
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{}`)}, apierror.UniqueConstraint},
		{dbclient.Op{Kind: dbclient.OpReplace, Key: "k", Document: raw(`{}`), IfMatch: "x"}, apierror.Conflict},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{}`), IfMatch: "x", OverwriteMode: dbclient.OverwriteReplace}, apierror.Conflict},
		{dbclient.Op{Kind: dbclient.OpRemove, Key: "k", IfMatch: "x"}, apierror.Conflict},
		{dbclient.Op{Kind: dbclient.OpRead, Key: "k", IfMatch: "x"}, apierror.Conflict},
		{dbclient.Op{Kind: dbclient.OpRead, Key: "none"}, apierror.DocumentNotFound},
		{dbclient.Op{Kind: dbclient.OpReplace, Key: "none", Document: raw(`{}`)}, apierror.DocumentNotFound},
		{dbclient.Op{Kind: dbclient.OpUpdate, Key: "none", Document: raw(`{}`)}, apierror.DocumentNotFound},
		{dbclient.Op{Kind: dbclient.OpRemove, Key: "none"}, apierror.DocumentNotFound},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "j", Document: raw(`[1]`)}, apierror.DocumentTypeInvalid},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "j", Document: raw(`{"a":}`)}, apierror.CorruptedJSON},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "j"}, apierror.CorruptedJSON},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "a/b", Document: raw(`{}`)}, apierror.DocumentKeyBad},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: strings.Repeat("k", 255), Document: raw(`{}`)}, apierror.DocumentKeyBad},
		{dbclient.Op{Kind: dbclient.OpInsert, Document: raw(`{}`)}, apierror.DocumentKeyMissing},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "j", Document: raw(`{}`), OverwriteMode: "what"}, apierror.BadParameter},
		{dbclient.Op{Kind: "upsert", Key: "j", Document: raw(`{}`)}, apierror.BadParameter},
		{dbclient.Op{Kind: dbclient.OpInsert, Key: "j", Document: raw(`{"a":"` + strings.Repeat("x", maxDocumentBytes) + `"}`)}, apierror.DocumentTooLarge},
	} {
		r := one(t, s, c.op)
		require.NotNil(t, r.Error, "%s %s", c.op.Kind, c.op.Key)
		require.Equal(t, c.num, r.Error.Num, "%s %s: %s", c.op.Kind, c.op.Key, r.Error.Message)
		if c.num == apierror.Conflict {
			require.Equal(t, held.Rev, r.Rev)
		}
	}
	after := s.State().Last.Seq
	require.Equal(t, seq, after)
	require.Equal(t, held.New, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "k"}).New)
}

// Operations that return many bytes of documents end early, and what has no result has not
// been done.
func TestReturnedDocumentsEndTheCall(t *testing.T) {
	s := fresh(t)
	one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"text":"` + strings.Repeat("x", maxReturnedBytes/4) + `"}`)})
	reads := make([]dbclient.Op, 6) // more than are returned
	updates := make([]dbclient.Op, 6)
	for i := range reads {
		reads[i] = dbclient.Op{Kind: dbclient.OpRead, Key: "k"}
		updates[i] = dbclient.Op{Kind: dbclient.OpUpdate, Key: "k", Document: raw(fmt.Sprintf(`{"n":%d}`, i))}
	}
	// The numbers are compared, not the results: an assertion that fails prints what it is given,
	// and that would be all the documents.
	results, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: reads})
	require.NoError(t, err)
	require.Equal(t, 4, len(results), "more is returned at once than fits")
	results, err = s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: updates, ReturnNew: true, ReturnOld: true})
	require.NoError(t, err)
	require.Equal(t, 2, len(results))
	require.True(t, strings.Contains(string(one(t, s, reads[0]).New), `"n":1}`), "one is done that is not told")
	results, err = s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: updates})
	require.NoError(t, err)
	require.Equal(t, len(updates), len(results))
}
