package coordinator_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/coordinator"
)

// gzipped is a body that is small on the wire.
func gzipped(t *testing.T, body string) string {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.String()
}

// A thousand readers that leave their cursors behind, each with a day to live, stop no other.
func TestCursorsLeftBehindStopNoReader(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/document/c", `[{"_key":"a"},{"_key":"b"},{"_key":"d"}]`), 202, 0)
	for range 1000 {
		a := c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":1,"ttl":86400}`)
		want(t, a, 201, 0)
		require.Equal(t, true, a.decode(t)["hasMore"])
	}
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c"}`), 201, 0)
	a := c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":2}`)
	want(t, a, 201, 0)
	want(t, c.do(t, "PUT", "/_api/cursor/"+a.decode(t)["id"].(string), ""), 200, 0)
}

// A few kilobytes of gzip do not become an answer of many megabytes: they are refused before
// anything is done. As many as are not refused have an entry each.
func TestManyBadDocumentsHaveASmallAnswer(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	numbers := func(n int) string { return "[" + strings.Repeat("1,", n-1) + "1]" }
	body := gzipped(t, numbers(400_000))
	require.Less(t, len(body), 8<<10)
	for _, r := range []struct{ method, query string }{{"POST", ""}, {"PUT", ""}, {"PATCH", ""}, {"DELETE", ""}, {"PUT", "?onlyget=true"}, {"POST", "?silent=true"}} {
		a := c.do(t, r.method, "/_api/document/c"+r.query, body, "Content-Encoding: gzip")
		want(t, a, 413, 413)
		t.Logf("%s: %d bytes sent, %d answered: %s", r.method, len(body), len(a.body), a.body)
		require.Less(t, len(a.body), 1000)
	}
	first := `[{"_key":"first"},` + strings.Repeat("{},", 100_000) + "{}]"
	want(t, c.do(t, "POST", "/_api/document/c", first), 413, 413)
	want(t, c.do(t, "GET", "/_api/document/c/first", ""), 404, 1202) // nothing is half done

	a := c.do(t, "POST", "/_api/document/c", numbers(30_000))
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1227":30000}`, a.header.Get("X-Arango-Error-Codes"))
	entries := a.list(t)
	require.Len(t, entries, 30_000)
	require.Contains(t, entries[999]["errorMessage"], "expecting an object")
	for _, e := range entries[1000:] {
		require.Equal(t, map[string]any{"error": true, "errorNum": 1227.0, "errorMessage": "invalid document type"}, e)
	}
	require.Less(t, len(a.body), 100*30_000)
}

// An array of several parts: one entry for each item, in order, and one key twice is written
// in order across the parts.
func TestManyDocumentsInParts(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	c.collection(t, "c", 3)
	const n = 12_000 // two parts
	var body strings.Builder
	body.WriteString(`[ {"_key":"same","v":0}`)
	for i := 1; i < n; i++ {
		switch {
		case i%5000 == 0:
			fmt.Fprintf(&body, ` , {"_key":"same","v":%d}`, i)
		case i%7000 == 0:
			body.WriteString(",\n17")
		default:
			fmt.Fprintf(&body, `,{"_key":"k%d","text":"a ] b , c \" }"}`, i)
		}
	}
	body.WriteString("]")
	a := c.do(t, "POST", "/_api/document/c?overwriteMode=replace&returnOld=true", body.String())
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1227":1}`, a.header.Get("X-Arango-Error-Codes"))
	entries := a.list(t)
	require.Len(t, entries, n)
	for i, e := range entries {
		switch {
		case i%5000 == 0 && i > 0:
			require.EqualValues(t, i-5000, e["old"].(map[string]any)["v"])
		case i > 0 && i%7000 == 0:
			require.EqualValues(t, 1227, e["errorNum"])
		case i > 0:
			require.Equal(t, fmt.Sprintf("k%d", i), e["_key"])
		}
	}
	require.EqualValues(t, n-2-1, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])
}

// An answer with documents is bounded. Reads are refused as a whole; writes are refused from the
// first one whose document has no room, each with an error.
func TestReturnedDocumentsAreBounded(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, limits: coordinator.Limits{AnswerBytes: 8 << 20}})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"big","n":0,"text":"`+strings.Repeat("x", 1<<20)+`"}`), 202, 0)
	keys := func(item string, n int) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }

	a := c.do(t, "PUT", "/_api/document/c?onlyget=true", keys(`"big"`, 4))
	want(t, a, 200, 0)
	require.Len(t, a.list(t), 4)
	want(t, c.do(t, "PUT", "/_api/document/c?onlyget=true", keys(`"big"`, 1000)), 413, 413)

	a = c.do(t, "PATCH", "/_api/document/c?returnNew=true", keys(`{"_key":"big","n":1}`, 30))
	want(t, a, 202, 0)
	done, entries := 0, a.list(t)
	require.Len(t, entries, 30)
	for i, e := range entries {
		if e["error"] == nil {
			require.Equal(t, i, done, "one is done after one that is not")
			done++
			continue
		}
		require.EqualValues(t, 32, e["errorNum"])
		require.Contains(t, e["errorMessage"], "not done")
	}
	require.GreaterOrEqual(t, done, 8)
	require.Less(t, done, 20)
	want(t, c.do(t, "PATCH", "/_api/document/c", keys(`{"_key":"big","n":1}`, 10)), 202, 0) // nothing is returned
}

// An import lists the first errors, and says how many more there are.
func TestImportDetailsAreBounded(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	body := gzipped(t, strings.Repeat("1\n", 50_000))
	for _, query := range []string{"type=documents&details=true", "type=documents"} {
		a := c.do(t, "POST", "/_api/import?collection=c&"+query, body, "Content-Encoding: gzip")
		require.Equal(t, 201, a.status)
		m := a.decode(t)
		require.EqualValues(t, 50_000, m["errors"])
		require.Less(t, len(a.body), 1000*1000)
		if !strings.Contains(query, "details") {
			require.NotContains(t, m, "details")
			continue
		}
		details := m["details"].([]any)
		require.Len(t, details, 1001)
		require.Contains(t, details[999], "at position 1000: ")
		require.Equal(t, "49000 more errors are not listed", details[1000])
	}
}
