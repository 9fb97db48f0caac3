package coordinator_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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

// A few kilobytes of gzip do not become an answer of many megabytes.
func TestManyBadDocumentsHaveASmallAnswer(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	body := gzipped(t, "["+strings.Repeat("1,", 1_500_000)+"1]")
	require.Less(t, len(body), 32<<10)
	a := c.do(t, "POST", "/_api/document/c", body, "Content-Encoding: gzip")
	t.Logf("%d bytes sent, %d answered", len(body), len(a.body))
	require.Less(t, len(a.body), 16<<20)
}
