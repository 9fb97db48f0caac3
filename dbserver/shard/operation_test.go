package shard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/client"
	"stasis/internal/apierror"
)

// stored strips what the server put in, so that tests read what the client sent.
func stored(t *testing.T, r client.OpResult) string {
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
		r := one(t, s, client.Op{Kind: client.OpInsert, Key: name, Document: raw(doc[0])})
		require.Equal(t, doc[1], stored(t, r), name)
		require.Equal(t, r.New, one(t, s, client.Op{Kind: client.OpRead, Key: name}).New, name)
	}
}

func TestManyAttributes(t *testing.T) {
	s := fresh(t)
	var b strings.Builder
	for i := range 20_000 {
		b.WriteString(`"` + revision(uint64(i)) + `":1,`)
	}
	doc := "{" + b.String() + `"last":1}`
	r := one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(doc)})
	require.Equal(t, doc, stored(t, r))
	r = one(t, s, client.Op{Kind: client.OpUpdate, Key: "k", Document: raw(`{"last":2,"more":3}`)})
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
		do(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(before), OverwriteMode: client.OverwriteReplace})
		op := client.Op{Kind: client.OpUpdate, Key: "k", Document: raw(c.patch), DropNulls: c.dropNulls, ReplaceNested: c.nestedToo}
		require.Equal(t, c.after, stored(t, one(t, s, op)), c.patch)
		op.Kind, op.OverwriteMode = client.OpInsert, client.OverwriteUpdate
		do(t, s, client.Op{Kind: client.OpReplace, Key: "k", Document: raw(before)})
		require.Equal(t, c.after, stored(t, one(t, s, op)), "insert %s", c.patch)
	}
}

func TestResultsOfOperations(t *testing.T) {
	s := fresh(t)
	created := one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{"v":1}`)})
	require.True(t, created.Created)
	require.Empty(t, created.OldRev)
	require.Nil(t, created.Old)

	ignored := one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{"v":2}`), OverwriteMode: client.OverwriteIgnore})
	require.True(t, ignored.Ignored)
	require.Equal(t, created.Rev, ignored.Rev)

	replaced := one(t, s, client.Op{Kind: client.OpReplace, Key: "k", Document: raw(`{"w":3}`), IfMatch: created.Rev})
	require.Equal(t, created.Rev, replaced.OldRev)
	require.Equal(t, created.New, replaced.Old)
	require.Greater(t, replaced.Rev, created.Rev)
	require.Equal(t, `{"w":3}`, stored(t, replaced))

	same := one(t, s, client.Op{Kind: client.OpRead, Key: "k", IfNoneMatch: replaced.Rev})
	require.True(t, same.NotModified)
	require.Nil(t, same.New)
	other := one(t, s, client.Op{Kind: client.OpRead, Key: "k", IfNoneMatch: created.Rev, IfMatch: replaced.Rev})
	require.Equal(t, replaced.New, other.New)

	removed := one(t, s, client.Op{Kind: client.OpRemove, Key: "k", IfMatch: replaced.Rev})
	require.Equal(t, replaced.Rev, removed.Rev)
	require.Equal(t, replaced.New, removed.Old)
	require.Zero(t, s.State().Count)
}

func TestRefusedOperationsChangeNothing(t *testing.T) {
	s := fresh(t)
	held := one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{"v":1}`)})
	seq := s.State().Last.Seq
	for _, c := range []struct {
		op  client.Op
		num apierror.Num
	}{
		{client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{}`)}, apierror.UniqueConstraint},
		{client.Op{Kind: client.OpReplace, Key: "k", Document: raw(`{}`), IfMatch: "x"}, apierror.Conflict},
		{client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{}`), IfMatch: "x", OverwriteMode: client.OverwriteReplace}, apierror.Conflict},
		{client.Op{Kind: client.OpRemove, Key: "k", IfMatch: "x"}, apierror.Conflict},
		{client.Op{Kind: client.OpRead, Key: "k", IfMatch: "x"}, apierror.Conflict},
		{client.Op{Kind: client.OpRead, Key: "none"}, apierror.DocumentNotFound},
		{client.Op{Kind: client.OpReplace, Key: "none", Document: raw(`{}`)}, apierror.DocumentNotFound},
		{client.Op{Kind: client.OpUpdate, Key: "none", Document: raw(`{}`)}, apierror.DocumentNotFound},
		{client.Op{Kind: client.OpRemove, Key: "none"}, apierror.DocumentNotFound},
		{client.Op{Kind: client.OpInsert, Key: "j", Document: raw(`[1]`)}, apierror.DocumentTypeInvalid},
		{client.Op{Kind: client.OpInsert, Key: "j", Document: raw(`{"a":}`)}, apierror.CorruptedJSON},
		{client.Op{Kind: client.OpInsert, Key: "j"}, apierror.CorruptedJSON},
		{client.Op{Kind: client.OpInsert, Key: "a/b", Document: raw(`{}`)}, apierror.DocumentKeyBad},
		{client.Op{Kind: client.OpInsert, Key: strings.Repeat("k", 255), Document: raw(`{}`)}, apierror.DocumentKeyBad},
		{client.Op{Kind: client.OpInsert, Document: raw(`{}`)}, apierror.DocumentKeyMissing},
		{client.Op{Kind: client.OpInsert, Key: "j", Document: raw(`{}`), OverwriteMode: "what"}, apierror.BadParameter},
		{client.Op{Kind: "upsert", Key: "j", Document: raw(`{}`)}, apierror.BadParameter},
		{client.Op{Kind: client.OpInsert, Key: "j", Document: raw(`{"a":"` + strings.Repeat("x", maxDocumentBytes) + `"}`)}, apierror.DocumentTooLarge},
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
	require.Equal(t, held.New, one(t, s, client.Op{Kind: client.OpRead, Key: "k"}).New)
}

// Operations that return many bytes of documents end early, and what has no result has not
// been done.
func TestReturnedDocumentsEndTheCall(t *testing.T) {
	s := fresh(t)
	one(t, s, client.Op{Kind: client.OpInsert, Key: "k", Document: raw(`{"text":"` + strings.Repeat("x", maxReturnedBytes/4) + `"}`)})
	reads := make([]client.Op, 100)
	updates := make([]client.Op, 100)
	for i := range reads {
		reads[i] = client.Op{Kind: client.OpRead, Key: "k"}
		updates[i] = client.Op{Kind: client.OpUpdate, Key: "k", Document: raw(fmt.Sprintf(`{"n":%d}`, i))}
	}
	results, err := s.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: reads})
	require.NoError(t, err)
	require.Len(t, results, 4, "more is returned at once than fits")
	results, err = s.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: updates, ReturnNew: true, ReturnOld: true})
	require.NoError(t, err)
	require.Len(t, results, 2)
	require.Contains(t, string(one(t, s, reads[0]).New), `"n":1}`, "one is done that is not told")
	results, err = s.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: updates[:20]})
	require.NoError(t, err)
	require.Len(t, results, 20)
}
