package coordinator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// begun begins a transaction at a coordinator and returns its header.
func (c *cluster) begun(t *testing.T, at int, collections string) (id, header string) {
	t.Helper()
	a := c.doAt(t, c.coordinators[at].URL(), "POST", "/_api/transaction/begin", `{"collections":`+collections+`}`)
	want(t, a, 201, 0)
	result := a.decode(t)["result"].(map[string]any)
	require.Equal(t, "running", result["status"])
	require.Regexp(t, `^[0-9]+$`, result["id"])
	return result["id"].(string), "X-Arango-Trx-Id: " + result["id"].(string)
}

func stateOf(t *testing.T, a answer) string {
	t.Helper()
	require.Less(t, a.status, 300, a.body)
	return a.decode(t)["result"].(map[string]any)["status"].(string)
}

// What clients may send, and what they are answered.
func TestTransactionRequests(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"other"}`), 201, 0)
	for body, status := range map[string]int{
		`{"collections":{}}`:                             201,
		`{"collections":{"write":"c","read":null}}`:      201,
		`{"collections":{"exclusive":["c"],"read":"c"}}`: 201,
		`{"collections":{"write":["c"]},"waitForSync":true,"allowImplicit":false,"lockTimeout":0,"maxTransactionSize":1000000,"skipFastLockRound":true,"more":1}`: 201,
		`{}`: 400, ``: 400, `{"collections":null}`: 400, `{"collections":"c"}`: 400, `[]`: 400,
		`{"collections":{"write":7}}`: 400, `{"collections":{"write":[null]}}`: 400, `{"collections":{"write":""}}`: 400,
		`{"collections":{},"lockTimeout":-1}`: 400, `{"collections":{},"lockTimeout":"x"}`: 400, `{"collections":{},"maxTransactionSize":0}`: 400,
		`{"collections":{},"maxTransactionSize":1e300}`: 400,
	} {
		num := 10
		if status == 201 {
			num = 0
		}
		want(t, c.do(t, "POST", "/_api/transaction/begin", body), status, num)
	}
	want(t, c.do(t, "POST", "/_api/transaction/begin", `{"collections":{"read":["c","nope"]}}`), 404, 1203)
	want(t, c.do(t, "POST", "/_api/transaction/begin", `{`), 400, 600)
	want(t, c.do(t, "POST", "/_api/transaction", `{"collections":{},"action":"x"}`), 501, 9)
	want(t, c.do(t, "PUT", "/_api/transaction", ``), 405, 405)

	id, header := c.begun(t, 0, `{"write":"c"}`)
	path := "/_api/transaction/" + id
	want(t, c.do(t, "POST", "/_api/transaction/begin", `{"collections":{}}`, header), 400, 1651)
	a := c.do(t, "GET", path, "")
	want(t, a, 200, 0)
	require.JSONEq(t, `{"error":false,"code":200,"result":{"id":"`+id+`","status":"running"}}`, a.body)
	want(t, c.do(t, "GET", "/_db/other"+path, ""), 404, 1655)
	require.Equal(t, "committed", stateOf(t, c.do(t, "PUT", path, "")))
	require.Equal(t, "committed", stateOf(t, c.do(t, "PUT", path, "")), "again")
	require.Equal(t, "committed", stateOf(t, c.do(t, "GET", path, "")))
	want(t, c.do(t, "DELETE", path, ""), 400, 1653)
	want(t, c.do(t, "GET", "/_api/document/c/k", "", header), 400, 1653)

	id, header = c.begun(t, 0, `{"write":"c"}`)
	path = "/_api/transaction/" + id
	require.Equal(t, "aborted", stateOf(t, c.do(t, "DELETE", path, "")))
	require.Equal(t, "aborted", stateOf(t, c.do(t, "DELETE", path, "")), "again")
	require.Equal(t, "aborted", stateOf(t, c.do(t, "GET", path, "")))
	want(t, c.do(t, "PUT", path, ""), 400, 1653)
	want(t, c.do(t, "GET", "/_api/document/c/k", "", header), 410, 1654)

	want(t, c.do(t, "GET", "/_api/transaction/17", ""), 404, 1655)
	want(t, c.do(t, "GET", "/_api/transaction/x", ""), 400, 10)
	want(t, c.do(t, "DELETE", "/_api/transaction/17", ""), 404, 1655)
	want(t, c.do(t, "GET", "/_api/document/c/k", "", "X-Arango-Trx-Id: x"), 400, 10)
}

// A request that is no operation on documents is not carried out beside the transaction that it names.
func TestOtherRequestsInATransaction(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 1)
	id, header := c.begun(t, 0, `{"write":"c"}`)
	for _, r := range [][3]string{
		{"POST", "/_api/collection", `{"name":"d"}`}, {"DELETE", "/_api/collection/c", ""}, {"PUT", "/_api/collection/c/properties", `{"waitForSync":true}`},
		{"POST", "/_api/database", `{"name":"d"}`}, {"POST", "/_admin/backup/list", ""}, {"PUT", "/_admin/cluster/maintenance", `"on"`},
		{"POST", "/_api/cursor", `{"query":"RETURN 1"}`},
	} {
		a := c.do(t, r[0], r[1], r[2], header)
		want(t, a, 400, 1653)
		require.Contains(t, a.body, id)
	}
	for _, path := range []string{"/_api/collection/c", "/_api/collection/c/properties", "/_api/collection", "/_api/version", "/_api/database/current"} {
		want(t, c.do(t, "GET", path, "", header), 200, 0)
	}
	require.Equal(t, 200, c.do(t, "POST", "/_open/auth", `{"username":"root","password":""}`, header).status)
}

// Any coordinator takes any id: it passes the request on to the one that has begun the transaction, and back what that answers.
func TestAnyCoordinatorTakesAnyID(t *testing.T) {
	c := startCluster(t, options{dbservers: 1, coordinators: 2})
	c.collection(t, "c", 1)
	want(t, c.do(t, "POST", "/_api/database", `{"name":"other"}`), 201, 0)
	first, second := c.coordinators[0].URL(), c.coordinators[1].URL()
	id, header := c.begun(t, 0, `{"write":"c"}`)
	path := "/_api/transaction/" + id
	require.Equal(t, "running", stateOf(t, c.doAt(t, second, "GET", path, "")))
	want(t, c.doAt(t, second, "GET", "/_db/other"+path, ""), 404, 1655)
	mine, _ := c.begun(t, 1, `{"write":"c"}`)
	for _, url := range []string{first, second} {
		var ids []string
		for _, e := range c.doAt(t, url, "GET", "/_api/transaction", "").decode(t)["transactions"].([]any) {
			require.Equal(t, "running", e.(map[string]any)["state"])
			ids = append(ids, e.(map[string]any)["id"].(string))
		}
		require.ElementsMatch(t, []string{id, mine}, ids)
		require.Empty(t, c.doAt(t, url, "GET", "/_db/other/_api/transaction", "").decode(t)["transactions"])
	}
	require.Equal(t, "committed", stateOf(t, c.doAt(t, second, "PUT", path, "")))
	a := c.doAt(t, second, "DELETE", path, "")
	want(t, a, 400, 1653)
	require.Len(t, a.header.Values("Server"), 1)
	require.Equal(t, "committed", stateOf(t, c.doAt(t, first, "GET", path, "")))
	want(t, c.doAt(t, second, "GET", "/_api/document/c/k", "", header), 400, 1653)

	loop := "X-Stasis-Forwarded-By: CRDN-x"
	want(t, c.doAt(t, second, "GET", path, "", loop), 404, 1655)

	read, _ := c.begun(t, 0, `{"read":"c"}`)
	id, _ = c.begun(t, 0, `{"write":"c"}`)
	want(t, c.doAt(t, second, "DELETE", "/_api/transaction/write", ""), 200, 0)
	require.Equal(t, "aborted", stateOf(t, c.doAt(t, second, "GET", "/_api/transaction/"+id, "")))
	require.Equal(t, "aborted", stateOf(t, c.doAt(t, first, "GET", "/_api/transaction/"+mine, "")))
	require.Equal(t, "running", stateOf(t, c.doAt(t, first, "GET", "/_api/transaction/"+read, "")))

	closing(t, c.coordinators[0].Close)
	a = c.doAt(t, second, "GET", "/_api/transaction/"+read, "")
	want(t, a, 503, 1478)
	require.Contains(t, a.body, c.coordinators[0].ID())
	require.NotEmpty(t, a.header.Get("Retry-After"))
	want(t, c.doAt(t, second, "GET", "/_api/transaction", ""), 503, 1478)
}

func TestTransactionMetrics(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.begun(t, 0, `{}`)
	body := c.do(t, "GET", "/_admin/metrics/v2", "").body
	for _, line := range []string{"stasis_transactions 1", "stasis_transactions_begun_total 1", "stasis_transactions_aborted_total 0"} {
		require.Contains(t, strings.Split(body, "\n"), line, fmt.Sprint("want ", line))
	}
}
