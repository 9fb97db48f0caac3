package coordinator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator"
	"stasis/coordinator/cursor"
)

// All documents of a collection are met once, in batches, across shards.
func TestAllDocumentsByCursor(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, limits: coordinator.Limits{CursorBytes: 2 * cursor.BytesEach}, timing: coordinator.Timing{CursorTTL: time.Second}})
	c.collection(t, "c", 4)
	var items []string
	for i := range 105 {
		items = append(items, fmt.Sprintf(`{"_key":"k%03d"}`, i))
	}
	want(t, c.do(t, "POST", "/_api/document/c", "["+strings.Join(items, ",")+"]"), 202, 0)
	for _, test := range []struct {
		body    string
		total   int
		batches int
	}{
		{`{"collection":"c","batchSize":10}`, 105, 11}, {`{"collection":"c"}`, 105, 1}, {`{"collection":"c","batchSize":105}`, 105, 1},
		{`{"collection":"c","skip":100,"batchSize":3}`, 5, 2}, {`{"collection":"c","limit":7,"batchSize":7}`, 7, 1},
		{`{"collection":"c","skip":3,"limit":50,"batchSize":20}`, 50, 3}, {`{"collection":"c","limit":0}`, 0, 1}, {`{"collection":"c","skip":900}`, 0, 1},
	} {
		a := c.do(t, "PUT", "/_api/simple/all", test.body)
		want(t, a, 201, 0)
		seen, batches := map[string]bool{}, 1
		for {
			m := a.decode(t)
			require.EqualValues(t, test.total, m["count"], test.body)
			for _, doc := range m["result"].([]any) {
				key := doc.(map[string]any)["_key"].(string)
				require.False(t, seen[key])
				seen[key] = true
			}
			if m["hasMore"] == false {
				require.NotContains(t, m, "id")
				break
			}
			batches++
			a = c.do(t, "PUT", "/_api/cursor/"+m["id"].(string), "")
			want(t, a, 200, 0)
		}
		require.Len(t, seen, test.total, test.body)
		require.Equal(t, test.batches, batches, test.body)
	}
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"nope"}`), 404, 1203)
	want(t, c.do(t, "PUT", "/_api/simple/all", `{}`), 400, 10)
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","skip":-1}`), 400, 10)
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","ttl":86400}`), 201, 0)
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","ttl":86401}`), 400, 10)
	open := func(options string) answer {
		return c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":1`+options+`}`)
	}
	const long = `,"ttl":86400`
	id, other := open(long).decode(t)["id"].(string), open(long).decode(t)["id"].(string)
	want(t, c.do(t, "POST", "/_api/cursor/"+id, ""), 200, 0)
	full := open(long) // no more than two at once
	want(t, full, 503, 32)
	require.Equal(t, "1", full.header.Get("Retry-After"))
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c"}`), 201, 0) // one batch needs no cursor
	want(t, c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":1,"limit":1}`), 201, 0)
	stats := c.do(t, "GET", "/_admin/statistics", "").decode(t)["cursors"].(map[string]any)
	require.Equal(t, map[string]any{"open": 2.0, "bytes": 2.0 * cursor.BytesEach, "maxBytes": 2.0 * cursor.BytesEach, "refused": 1.0}, stats)
	require.Contains(t, c.do(t, "GET", "/_admin/metrics/v2", "").body, "\nstasis_cursors 2\n")
	want(t, c.do(t, "DELETE", "/_api/cursor/"+id, ""), 202, 0)
	want(t, c.do(t, "DELETE", "/_api/cursor/"+id, ""), 404, 1600)
	want(t, c.do(t, "PUT", "/_api/cursor/"+id, ""), 404, 1600)
	want(t, c.do(t, "DELETE", "/_api/cursor/"+other, ""), 202, 0)
	want(t, open(""), 201, 0)
	want(t, open(""), 201, 0)
	// A failed attempt would open a cursor of its own and begin the wait again.
	require.Eventually(t, func() bool {
		s := c.do(t, "GET", "/_admin/statistics", "").decode(t)["cursors"].(map[string]any)
		return s["open"] == 0.0
	}, time.Minute, 100*time.Millisecond, "cursors expire")
	want(t, open(""), 201, 0)
	want(t, open(""), 201, 0)
}

// Imports count what became of every document, in every format, with exactly the
// attributes that clients compare.
func TestImport(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, limits: coordinator.Limits{LineBytes: 1 << 10, BodyBytes: 4 << 10}})
	c.collection(t, "c", 3)
	imp := func(query, body string) answer { return c.do(t, "POST", "/_api/import?collection=c&"+query, body) }
	for _, test := range []struct{ query, body, want string }{
		{"type=documents", "{\"_key\":\"a\",\"v\":1}\r\n\r\n{\"_key\":\"b\"}\n", `{"error":false,"created":2,"errors":0,"empty":1,"updated":0,"ignored":0}`},
		{"type=list", `[{"_key":"a"},{"_key":"l"}, 7]`, `{"error":false,"created":1,"errors":2,"empty":0,"updated":0,"ignored":0}`},
		{"type=array", `[]`, `{"error":false,"created":0,"errors":0,"empty":0,"updated":0,"ignored":0}`},
		{"type=auto&onDuplicate=ignore", ` [{"_key":"a","v":2},{"_key":"n"}]`, `{"error":false,"created":1,"errors":0,"empty":0,"updated":0,"ignored":1}`},
		{"type=auto&onDuplicate=update", `{"_key":"a","w":2}`, `{"error":false,"created":0,"errors":0,"empty":0,"updated":1,"ignored":0}`},
		{"onDuplicate=replace", "[\"_key\",\"x\"]\n[\"a\",1]\n[\"h\",2]\n[\"bad\"]\n", `{"error":false,"created":1,"errors":1,"empty":0,"updated":1,"ignored":0}`},
		{"type=documents&details=true", "{\"_key\":\"q\"}\n", `{"error":false,"created":1,"errors":0,"empty":0,"updated":0,"ignored":0,"details":[]}`},
		{"type=documents&overwrite=true", "{\"_key\":\"only\"}\n{broken\n", `{"error":false,"created":1,"errors":1,"empty":0,"updated":0,"ignored":0}`},
	} {
		a := imp(test.query, test.body)
		require.Equal(t, 201, a.status, a.body)
		require.JSONEq(t, test.want, a.body, test.query)
	}
	require.EqualValues(t, 1, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])
	details := imp("type=documents&details=true", "{\"_key\":\"only\"}\n{\"_key\":\"no no\"}\n").decode(t)["details"].([]any)
	require.Len(t, details, 2)
	require.Contains(t, fmt.Sprint(details), "at position 1: ")
	require.Contains(t, fmt.Sprint(details), "at position 2: ")
	details = imp("type=documents&details=true", "{\"_key\":\"only\",\"n\":7}\nnot json\n[1]\n").decode(t)["details"].([]any)
	require.Len(t, details, 3)
	for _, line := range []string{`offending document: {"_key":"only","n":7}`, "offending document: not json", "offending document: [1]"} {
		require.Contains(t, fmt.Sprint(details), line)
	}
	want(t, imp("type=documents&complete=true", "{\"_key\":\"y\"}\n{\"_key\":\"only\"}\n{\"_key\":\"z\"}\n"), 409, 1210)
	want(t, imp("type=documents&complete=true", "{\"_key\":\"y2\"}\n{broken\n"), 409, 600)
	require.NotContains(t, imp("type=documents&complete=true", "{\"_key\":\"only\"}\n{\"_key\":\"z\"}\n").body, "nothing", "more may be there")
	require.Equal(t, 200, c.do(t, "GET", "/_api/document/c/y2", "").status)
	want(t, imp("type=what", ""), 400, 10)
	want(t, imp("type=documents&onDuplicate=what", ""), 400, 10)
	want(t, imp("type=list", `{}`), 400, 10)
	want(t, imp("type=list", `[{"_key":"m"},{"_key"`), 400, 600)
	want(t, imp("", "{}\n"), 400, 10)
	want(t, imp("type=documents", `{"a":"`+strings.Repeat("x", 2<<10)+`"}`), 413, 413)
	want(t, imp("type=list", `[{"a":"`+strings.Repeat("x", 2<<10)+`"}]`), 413, 413)
	want(t, c.do(t, "POST", "/_api/import?type=documents", "{}"), 400, 10)
	want(t, c.do(t, "POST", "/_api/import?collection=nope&type=documents", "{}"), 404, 1203)

	// A body far beyond the limit for other requests streams through.
	var big strings.Builder
	for range 3000 {
		big.WriteString("{\"pad\":\"0123456789\"}\n")
	}
	require.JSONEq(t, `{"error":false,"created":3000,"errors":0,"empty":0,"updated":0,"ignored":0}`, imp("type=documents&overwrite=true", big.String()).body)
	require.EqualValues(t, 3000, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])
	want(t, c.do(t, "POST", "/_api/document/c", big.String()), 413, 413)

	want(t, c.do(t, "POST", "/_api/collection", `{"name":"e","type":3}`), 200, 0)
	a := c.do(t, "POST", "/_api/import?collection=e&type=list&fromPrefix=p&toPrefix=q", `[{"_key":"k","_from":"1","_to":"other/2"}]`)
	require.Contains(t, a.body, `"created":1`)
	edge := c.do(t, "GET", "/_api/document/e/k", "").decode(t)
	require.Equal(t, "p/1", edge["_from"])
	require.Equal(t, "other/2", edge["_to"])
}
