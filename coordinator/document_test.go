package coordinator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The life of one document, with the status and the exact attributes of every answer.
func TestOneDocument(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	c.collection(t, "books", 3)

	a := c.do(t, "POST", "/_api/document/books", `{"_key":"k","title":"<Dune>","n":1.50,"_id":"x/y","_rev":"0"}`)
	want(t, a, 202, 0)
	doc := a.decode(t)
	rev := doc["_rev"].(string)
	require.Equal(t, map[string]any{"_id": "books/k", "_key": "k", "_rev": rev}, doc)
	require.Equal(t, `"`+rev+`"`, a.header.Get("Etag"))
	require.Equal(t, "/_db/_system/_api/document/books/k", a.header.Get("Location"))
	odd := c.do(t, "POST", "/_api/document/books", `{"_key":"50%25"}`).header.Get("Location")
	require.Equal(t, "/_db/_system/_api/document/books/50%2525", odd)
	require.Contains(t, c.do(t, "GET", odd, "").body, `"_key":"50%25"`, "it leads to the document")
	require.Equal(t, 202, c.do(t, "DELETE", odd, "").status)
	require.Equal(t, "ArangoDB", a.header.Get("Server"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.Equal(t, "0.000000", a.header.Get("X-Arango-Queue-Time-Seconds"))

	want(t, c.do(t, "POST", "/_api/document/books", `{"_key":"k"}`), 409, 1210)
	want(t, c.do(t, "POST", "/_api/document/books", `{"_key":"a b"}`), 400, 1221)
	want(t, c.do(t, "POST", "/_api/document/books", `{"_key":7}`), 400, 1221)
	want(t, c.do(t, "POST", "/_api/document/books", `7`), 400, 1227)
	want(t, c.do(t, "POST", "/_api/document/books", `{"a":`), 400, 600)
	want(t, c.do(t, "POST", "/_api/document/nothere", `{}`), 404, 1203)
	want(t, c.do(t, "POST", "/_db/nothere/_api/document/books", `{}`), 404, 1228)

	a = c.do(t, "GET", "/_api/document/books/k", "")
	want(t, a, 200, 0)
	require.Contains(t, a.body, `"title":"<Dune>"`)
	require.Contains(t, a.body, `"n":1.50`)
	require.Equal(t, map[string]any{"_id": "books/k", "_key": "k", "_rev": rev, "title": "<Dune>", "n": 1.5}, a.decode(t))
	a = c.do(t, "HEAD", "/_api/document/books/k", "")
	require.Equal(t, 200, a.status)
	require.Equal(t, `"`+rev+`"`, a.header.Get("Etag"))
	require.Equal(t, 304, c.do(t, "GET", "/_api/document/books/k", "", `If-None-Match: "`+rev+`"`).status)
	require.Equal(t, 200, c.do(t, "GET", "/_api/document/books/k", "", `If-Match: `+rev).status)
	a = c.do(t, "GET", "/_api/document/books/k", "", `If-Match: "other"`)
	want(t, a, 412, 1200)
	require.Equal(t, rev, a.decode(t)["_rev"])
	want(t, c.do(t, "GET", "/_api/document/books/missing", ""), 404, 1202)
	require.Equal(t, 404, c.do(t, "HEAD", "/_api/document/books/missing", "").status)

	a = c.do(t, "PATCH", "/_api/document/books/k?returnNew=true&returnOld=true&waitForSync=true", `{"more":{"x":1},"n":null}`)
	want(t, a, 201, 0)
	patched := a.decode(t)
	require.Equal(t, rev, patched["_oldRev"])
	require.Nil(t, patched["new"].(map[string]any)["n"])
	require.Contains(t, patched["new"], "n")
	require.Equal(t, 1.5, patched["old"].(map[string]any)["n"])
	a = c.do(t, "PATCH", "/_api/document/books/k?returnNew=true&keepNull=false&mergeObjects=false", `{"more":{"y":1},"n":null}`)
	require.Equal(t, map[string]any{"y": 1.0}, a.decode(t)["new"].(map[string]any)["more"])
	require.NotContains(t, a.decode(t)["new"], "n")

	a = c.do(t, "PUT", "/_api/document/books/k?ignoreRevs=false", `{"_rev":"`+rev+`","a":1}`)
	want(t, a, 412, 1200)
	require.Equal(t, "conflict, _rev values do not match", a.decode(t)["errorMessage"])
	require.Equal(t, "books/k", a.decode(t)["_id"])
	want(t, c.do(t, "PUT", "/_api/document/books/k", `{"a":1}`), 202, 0)
	want(t, c.do(t, "PUT", "/_api/document/books/nope", `{"a":1}`), 404, 1202)
	a = c.do(t, "PUT", "/_api/document/books/k?silent=true", `{"a":2}`)
	require.Equal(t, "{}", a.body)

	want(t, c.do(t, "DELETE", "/_api/document/books/k", "", "If-Match: nope"), 412, 1200)
	last := c.do(t, "GET", "/_api/document/books/k", "").decode(t)["_rev"]
	a = c.do(t, "DELETE", "/_api/document/books/k?returnOld=true&waitForSync=true", "")
	want(t, a, 200, 0)
	require.Equal(t, last, a.decode(t)["_rev"])
	require.Equal(t, 2.0, a.decode(t)["old"].(map[string]any)["a"])
	require.NotContains(t, a.decode(t), "_oldRev")
	want(t, c.do(t, "DELETE", "/_api/document/books/k", ""), 404, 1202)
}

// Overwrite modes decide what an insert does with an existing key.
func TestOverwriteModes(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k","a":1}`), 202, 0)
	for _, test := range []struct{ query, wantNew string }{
		{"overwriteMode=ignore", `{"a":1}`},
		{"overwriteMode=update", `{"a":1,"b":2}`},
		{"overwrite=true", `{"b":2}`},
		{"overwriteMode=replace", `{"b":2}`},
	} {
		a := c.do(t, "POST", "/_api/document/c?"+test.query, `{"_key":"k","b":2}`)
		want(t, a, 202, 0)
		doc := c.do(t, "GET", "/_api/document/c/k", "").decode(t)
		for _, own := range []string{"_id", "_key", "_rev"} {
			delete(doc, own)
		}
		require.JSONEq(t, test.wantNew, toJSON(t, doc), test.query)
		require.Equal(t, test.query != "overwriteMode=ignore", a.decode(t)["_oldRev"] != nil, a.body)
	}
	want(t, c.do(t, "POST", "/_api/document/c?overwriteMode=what", `{"_key":"k"}`), 400, 10)
	want(t, c.do(t, "POST", "/_api/document/c?silent=maybe", `{"_key":"k"}`), 400, 10)
}

// Arrays have one result per item, in order, across shards; failures are counted
// in a header and leave the status alone.
func TestManyDocuments(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	c.collection(t, "c", 4)
	var items []string
	for i := range 50 {
		items = append(items, fmt.Sprintf(`{"_key":"k%d","n":%d}`, i, i))
	}
	items[10], items[20], items[30] = `{"_key":"k9"}`, `17`, `{"_key":""}`
	a := c.do(t, "POST", "/_api/document/c", "["+strings.Join(items, ",")+"]")
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1210":1,"1227":1,"1221":1}`, a.header.Get("X-Arango-Error-Codes"))
	results := a.list(t)
	require.Len(t, results, 50)
	for i, r := range results {
		switch i {
		case 10, 20, 30:
			require.Equal(t, true, r["error"])
			require.NotContains(t, r, "code")
		default:
			require.Equal(t, fmt.Sprintf("k%d", i), r["_key"])
		}
	}
	a = c.do(t, "PUT", "/_api/document/c?onlyget=true", `["k1","c/k2",{"_key":"k3"},{"_id":"c/k4"},"missing",5,"other/k1",{"_key":"k5","_rev":"0"}]`)
	want(t, a, 200, 0)
	results = a.list(t)
	for i, n := range []float64{1, 2, 3, 4} {
		require.Equal(t, n, results[i]["n"])
	}
	require.EqualValues(t, 1202, results[4]["errorNum"])
	require.EqualValues(t, 1205, results[5]["errorNum"])
	require.EqualValues(t, 1205, results[6]["errorNum"])
	require.Equal(t, 5.0, results[7]["n"])
	a = c.do(t, "PUT", "/_api/document/c?onlyget=true&ignoreRevs=false", `[{"_key":"k5","_rev":"0"}]`)
	require.EqualValues(t, 1200, a.list(t)[0]["errorNum"])
	require.Equal(t, "k5", a.list(t)[0]["_key"])

	a = c.do(t, "PATCH", "/_api/document/c?returnNew=true", `[{"_key":"k1","m":1},{"n":1},{"_key":"zz"}]`)
	want(t, a, 202, 0)
	require.Equal(t, 1.0, a.list(t)[0]["new"].(map[string]any)["n"])
	require.EqualValues(t, 1205, a.list(t)[1]["errorNum"])
	require.EqualValues(t, 1202, a.list(t)[2]["errorNum"])
	a = c.do(t, "PUT", "/_api/document/c?silent=true", `[{"_key":"k1","m":2}]`)
	require.Equal(t, "{}", a.body)
	a = c.do(t, "PUT", "/_api/document/c?silent=true", `[{"_key":"k1","m":2},{"_key":"zz"}]`)
	require.Len(t, a.list(t), 1)
	a = c.do(t, "DELETE", "/_api/document/c", `["k1",{"_key":"k2"},"zz"]`)
	want(t, a, 202, 0)
	require.Equal(t, "k2", a.list(t)[1]["_key"])
	require.EqualValues(t, 1202, a.list(t)[2]["errorNum"])
	want(t, c.do(t, "DELETE", "/_api/document/c", `{"_key":"k3"}`), 400, 10)
	require.EqualValues(t, 45, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])
	require.Equal(t, "[]", c.do(t, "POST", "/_api/document/c", "[]").body)

	// One key twice in a request: in order.
	a = c.do(t, "POST", "/_api/document/c?overwriteMode=replace&returnOld=true", `[{"_key":"o","v":1},{"_key":"o","v":2}]`)
	require.Equal(t, 1.0, a.list(t)[1]["old"].(map[string]any)["v"])
}

// Edges need both ends; keys may be the collection's business alone; what the
// server cannot do for a request is refused rather than left out.
func TestDocumentRules(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	want(t, c.do(t, "POST", "/_api/collection", `{"name":"e","type":3}`), 200, 0)
	want(t, c.do(t, "POST", "/_api/document/e", `{"_from":"a/1"}`), 400, 1233)
	want(t, c.do(t, "POST", "/_api/document/e", `{"_from":"a/1","_to":"b"}`), 400, 1233)
	want(t, c.do(t, "POST", "/_api/document/e", `{"_key":"k","_from":"a/1","_to":"b/1"}`), 202, 0)
	want(t, c.do(t, "PATCH", "/_api/document/e/k", `{"x":1}`), 202, 0)
	want(t, c.do(t, "PUT", "/_api/document/e/k", `{"x":1}`), 400, 1233)

	want(t, c.do(t, "POST", "/_api/collection", `{"name":"g","keyOptions":{"allowUserKeys":false}}`), 200, 0)
	want(t, c.do(t, "POST", "/_api/document/g", `{"_key":"mine"}`), 400, 1222)
	seen := map[string]bool{}
	for range 20 {
		key := c.do(t, "POST", "/_api/document/g", `{}`).decode(t)["_key"].(string)
		require.Regexp(t, `^[0-9]+$`, key)
		require.False(t, seen[key])
		seen[key] = true
	}
	want(t, c.do(t, "GET", "/_api/document/g/1", "", "X-Arango-Trx-Id: 17"), 404, 1655) // no coordinator has begun it
	want(t, c.do(t, "POST", "/_api/cursor", `{"query":"RETURN 1"}`), 501, 9)
	require.Equal(t, http.StatusOK, c.do(t, "POST", "/_api/document/e/k", "", "X-Http-Method-Override: GET").status)
}

// An answer says that all is on disk only if that was asked for, also when there was nothing to do.
func TestNothingIsAcceptedNotCreated(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		for body, wanted := range map[string]string{`[]`: `[]`, `[7]`: ""} {
			a := c.do(t, method, "/_api/document/c", body)
			require.Equal(t, 202, a.status, "%s %s", method, body)
			if wanted != "" {
				require.Equal(t, wanted, a.body)
			}
		}
	}
	require.Equal(t, 201, c.do(t, "POST", "/_api/document/c?waitForSync=true", `[]`).status)
	require.Equal(t, 200, c.do(t, "DELETE", "/_api/document/c?waitForSync=true", `[]`).status)
}
