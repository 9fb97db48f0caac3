package coordinator_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// There is the primary index, and no other can be made.
func TestIndexes(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	list := c.do(t, "GET", "/_api/index?collection=c", "")
	want(t, list, 200, 0)
	require.Contains(t, list.decode(t)["identifiers"], "c/0")
	one := c.do(t, "GET", "/_api/index/c/0", "").decode(t)
	require.Equal(t, "primary", one["type"])
	require.Equal(t, []any{"_key"}, one["fields"])
	want(t, c.do(t, "GET", "/_api/index/c/1", ""), 404, 1212)
	want(t, c.do(t, "GET", "/_api/index?collection=x", ""), 404, 1203)
	want(t, c.do(t, "GET", "/_api/index", ""), 400, 10)
	want(t, c.do(t, "POST", "/_api/index?collection=c", `{"type":"persistent","fields":["a"]}`), 501, 9)
}
