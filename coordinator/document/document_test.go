package document

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

func rules() Rules {
	return Rules{Collection: "c", NewKey: func(context.Context) (string, error) { return "77", nil }}
}

func TestCheckKey(t *testing.T) {
	for _, good := range []string{"a", "A-1_2:.@()+,=;$!*'%", strings.Repeat("x", 254)} {
		require.NoError(t, CheckKey(good))
	}
	for _, bad := range []string{"", "a b", "a/b", "ä", "a\x00", "#", strings.Repeat("x", 255)} {
		require.ErrorIs(t, CheckKey(bad), apierror.DocumentKeyBad, "%q", bad)
	}
}

// What is stored is what was written, but for the attributes that the server sets.
func TestBodyKeepsTheRest(t *testing.T) {
	for in, wanted := range map[string]string{
		`{}`:                                  `{}`,
		`{"_key":"k","_id":"c/k","_rev":"1"}`: `{}`,
		` { "b" : 1.50 , "_key":"k", "a":{"_key":"x"} } `:   `{"b":1.50,"a":{"_key":"x"}}`,
		`{"a":1,"b":2,"a":3}`:                               `{"a":3,"b":2}`,
		`{"<":"\u003c","n":123456789012345678901234567890}`: `{"<":"\u003c","n":123456789012345678901234567890}`,
		`{"\"":1,"_from":"x/1"}`:                            `{"\"":1,"_from":"x/1"}`,
	} {
		b, err := ParseBody(json.RawMessage(in))
		require.NoError(t, err)
		require.Equal(t, wanted, string(b.stored()))
	}
	for _, in := range []string{`[]`, `1`, `null`, `"x"`, ``} {
		_, err := ParseBody(json.RawMessage(in))
		require.ErrorIs(t, err, apierror.DocumentTypeInvalid)
	}
}

func TestBodyTooLarge(t *testing.T) {
	_, err := ParseBody(json.RawMessage(`{"a":"` + strings.Repeat("x", maxBodyBytes) + `"}`))
	require.ErrorIs(t, err, apierror.DocumentTooLarge)
}

// For any object: nothing is lost or changed but _key, _id and _rev.
func TestBodyIsLossless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.SampledFrom([]string{"_key", "_id", "_rev", "_from", "a", "<"}), rapid.String())
		doc := rapid.MapOf(name, rapid.OneOf(rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Float64(), func(f float64) any { return f }))).Draw(t, "doc")
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		b, err := ParseBody(raw)
		require.NoError(t, err)
		var back, wanted map[string]any
		require.NoError(t, json.Unmarshal(b.stored(), &back))
		require.NoError(t, json.Unmarshal(raw, &wanted))
		for _, own := range []string{"_key", "_id", "_rev"} {
			delete(wanted, own)
		}
		require.Equal(t, wanted, back)
	})
}

func TestInsert(t *testing.T) {
	op, err := rules().Insert(t.Context(), json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	require.True(t, op.Generated)
	require.Equal(t, dbclient.Op{Kind: dbclient.OpInsert, Key: "77", Document: json.RawMessage(`{"a":1}`)}, op.Op)

	r := rules()
	r.OverwriteMode, r.MatchRevs = dbclient.OverwriteReplace, true
	op, err = r.Insert(t.Context(), json.RawMessage(`{"_key":"k","_rev":"5"}`))
	require.NoError(t, err)
	require.False(t, op.Generated)
	require.Equal(t, "5", op.IfMatch)
	r.OverwriteMode = dbclient.OverwriteConflict
	op, err = r.Insert(t.Context(), json.RawMessage(`{"_key":"k","_rev":"5"}`))
	require.NoError(t, err)
	require.Empty(t, op.IfMatch, "an insert looks at no revision")

	r.DenyUserKeys = true
	_, err = r.Insert(t.Context(), json.RawMessage(`{"_key":"k"}`))
	require.ErrorIs(t, err, apierror.KeyUnexpected)
	for _, key := range []string{`""`, `1`, `null`, `"a b"`} {
		_, err = rules().Insert(t.Context(), json.RawMessage(`{"_key":`+key+`}`))
		require.ErrorIs(t, err, apierror.DocumentKeyBad, key)
	}
	r = rules()
	r.NewKey = func(context.Context) (string, error) { return "", errors.New("no ids") }
	_, err = r.Insert(t.Context(), json.RawMessage(`{}`))
	require.ErrorContains(t, err, "no ids")
}

func TestModify(t *testing.T) {
	r := rules()
	r.DropNulls, r.ReplaceNested = true, true
	op, err := r.Modify(dbclient.OpUpdate, "k", json.RawMessage(`{"_key":"other","a":null,"_rev":"5"}`))
	require.NoError(t, err)
	require.Equal(t, dbclient.Op{Kind: dbclient.OpUpdate, Key: "k", Document: json.RawMessage(`{"a":null}`), DropNulls: true, ReplaceNested: true}, op.Op)
	op, err = r.Modify(dbclient.OpReplace, "", json.RawMessage(`{"_id":"c/x"}`))
	require.NoError(t, err)
	require.Equal(t, "x", op.Key)
	require.False(t, op.DropNulls)
	r.MatchRevs = true
	op, err = r.Modify(dbclient.OpReplace, "k", json.RawMessage(`{"_rev":"5"}`))
	require.NoError(t, err)
	require.Equal(t, "5", op.IfMatch)
	r.IfMatch = "6"
	op, err = r.Modify(dbclient.OpReplace, "k", json.RawMessage(`{"_rev":"5"}`))
	require.NoError(t, err)
	require.Equal(t, "6", op.IfMatch)
	for body, num := range map[string]apierror.Num{`{"a":1}`: apierror.DocumentHandleBad, `{"_key":5}`: apierror.DocumentKeyBad, `5`: apierror.DocumentTypeInvalid, `{"_id":"d/x"}`: apierror.DocumentHandleBad} {
		_, err := r.Modify(dbclient.OpReplace, "", json.RawMessage(body))
		require.ErrorIs(t, err, num, body)
	}
}

func TestSelect(t *testing.T) {
	for item, key := range map[string]string{`"k"`: "k", `"c/k"`: "k", `{"_key":"k"}`: "k", `{"_id":"c/k"}`: "k", `{"_key":"k","_id":"c/other"}`: "k"} {
		op, err := rules().Select(dbclient.OpRemove, json.RawMessage(item))
		require.NoError(t, err, item)
		require.Equal(t, dbclient.Op{Kind: dbclient.OpRemove, Key: key}, op.Op)
	}
	for item, num := range map[string]apierror.Num{`"d/k"`: apierror.DocumentHandleBad, `1`: apierror.DocumentHandleBad, `{}`: apierror.DocumentHandleBad, `"a b"`: apierror.DocumentKeyBad, `null`: apierror.DocumentHandleBad} {
		_, err := rules().Select(dbclient.OpRead, json.RawMessage(item))
		require.ErrorIs(t, err, num, item)
	}
}

func TestEdges(t *testing.T) {
	r := rules()
	r.Edges = true
	for body, ok := range map[string]bool{
		`{"_from":"a/1","_to":"b/2"}`: true, `{"_from":"a/1"}`: false, `{}`: false, `{"_from":1,"_to":"b/2"}`: false,
		`{"_from":"a","_to":"b/2"}`: false, `{"_from":"/1","_to":"b/2"}`: false, `{"_from":"a/","_to":"b/2"}`: false,
	} {
		_, err := r.Insert(t.Context(), json.RawMessage(body))
		require.Equal(t, ok, err == nil, body)
		if !ok {
			require.ErrorIs(t, err, apierror.EdgeAttributeMissing)
		}
	}
	_, err := r.Modify(dbclient.OpUpdate, "k", json.RawMessage(`{"x":1}`))
	require.NoError(t, err)
	_, err = r.Modify(dbclient.OpUpdate, "k", json.RawMessage(`{"_to":"x"}`))
	require.ErrorIs(t, err, apierror.EdgeAttributeMissing)
}

func TestRevisionHeader(t *testing.T) {
	for in, wanted := range map[string]string{``: "", `x`: "x", `"x"`: "x", ` "x" `: "x", `W/"x"`: "x", `"`: `"`} {
		require.Equal(t, wanted, Revision(in))
	}
}

func TestAnswers(t *testing.T) {
	m := MetaOf("c", dbclient.Op{Kind: dbclient.OpReplace, Key: "k"}, dbclient.OpResult{Rev: "2", OldRev: "1"})
	require.Equal(t, Meta{ID: "c/k", Key: "k", Rev: "2", OldRev: "1"}, m)
	m = MetaOf("c", dbclient.Op{Kind: dbclient.OpRemove, Key: "k"}, dbclient.OpResult{Rev: "2", OldRev: "1"})
	require.Equal(t, Meta{ID: "c/k", Key: "k", Rev: "1"}, m)
	m = MetaOf("c", dbclient.Op{Kind: dbclient.OpRemove, Key: "k"}, dbclient.OpResult{Rev: "2"})
	require.Equal(t, "2", m.Rev)

	conflict := Failure("c", "k", dbclient.OpResult{Rev: "9"}, apierror.New(apierror.Conflict, "x"))
	require.Equal(t, 412, conflict.Status())
	require.ErrorIs(t, conflict, apierror.Conflict)
	require.Equal(t, map[string]any{"error": true, "errorNum": 1200, "errorMessage": "conflict, _rev values do not match", "_id": "c/k", "_key": "k", "_rev": "9"}, new(Failures).Entry(conflict))
	require.Equal(t, 404, Failure("c", "k", dbclient.OpResult{}, apierror.DocumentNotFound).Status())
	require.Empty(t, new(Failures).Codes())
	var f Failures
	for _, e := range []*apierror.Error{apierror.New(1202, ""), conflict, apierror.New(1202, "")} {
		f.Entry(e)
	}
	require.JSONEq(t, `{"1202":2,"1200":1}`, f.Codes())
}

// Documents are nested within limits that every later hop can take; brackets in
// strings do not count.
func TestBodyTooDeep(t *testing.T) {
	nested := func(n int) json.RawMessage {
		return json.RawMessage(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	_, err := ParseBody(nested(maxDepth - 1))
	require.NoError(t, err)
	_, err = ParseBody(nested(maxDepth))
	require.ErrorIs(t, err, apierror.BadParameter)
	_, err = ParseBody(json.RawMessage(`{"a":"\"` + strings.Repeat("[{", maxDepth) + `\\"}`))
	require.NoError(t, err)
}
