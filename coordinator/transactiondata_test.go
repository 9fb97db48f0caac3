package coordinator_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (c *cluster) commit(t *testing.T, id string) {
	t.Helper()
	require.Equal(t, "committed", stateOf(t, c.do(t, "PUT", "/_api/transaction/"+id, "")))
}

func (c *cluster) abort(t *testing.T, id string) {
	t.Helper()
	require.Equal(t, "aborted", stateOf(t, c.do(t, "DELETE", "/_api/transaction/"+id, "")))
}

func (c *cluster) count(t *testing.T, coll string, headers ...string) int {
	t.Helper()
	a := c.do(t, "GET", "/_api/collection/"+coll+"/count", "", headers...)
	want(t, a, 200, 0)
	return int(a.decode(t)["count"].(float64))
}

// All operations on documents, over several shards and servers: visible inside, invisible outside until the commit, and gone after
// an abort.
func TestDocumentsInATransaction(t *testing.T) {
	c := startCluster(t, options{dbservers: 3, coordinators: 2})
	c.collection(t, "c", 5)
	for i := range 20 {
		want(t, c.do(t, "POST", "/_api/document/c", fmt.Sprintf(`{"_key":"old%d","n":%d}`, i, i)), 202, 0)
	}
	for _, commit := range []bool{false, true} {
		id, header := c.begun(t, 0, `{"write":"c"}`)
		at := c.coordinators[1].URL() // which passes all on
		do := func(method, path, body string, status, num int) answer {
			t.Helper()
			a := c.doAt(t, at, method, path, body, header)
			want(t, a, status, num)
			return a
		}
		do("POST", "/_api/document/c", `{"_key":"new","n":1}`, 202, 0)
		do("POST", "/_api/document/c", `{"_key":"new","n":1}`, 409, 1210)
		do("PUT", "/_api/document/c/old0", `{"n":100}`, 202, 0)
		do("PATCH", "/_api/document/c/old1", `{"m":1}`, 202, 0)
		do("DELETE", "/_api/document/c/old2", "", 202, 0)
		do("GET", "/_api/document/c/old2", "", 404, 1202)
		do("HEAD", "/_api/document/c/new", "", 200, 0)
		require.Equal(t, 100.0, do("GET", "/_api/document/c/old0", "", 200, 0).decode(t)["n"])
		a := do("POST", "/_api/document/c?returnNew=true", `[{"_key":"a1"},{"_key":"a2"},{"_key":"old3"}]`, 202, 0)
		require.EqualValues(t, 1210, a.list(t)[2]["errorNum"])
		require.Equal(t, "a1", a.list(t)[0]["new"].(map[string]any)["_key"])
		do("PATCH", "/_api/document/c", `[{"_key":"old4","m":4},{"_key":"nope"}]`, 202, 0)
		do("DELETE", "/_api/document/c", `["old5"]`, 202, 0)
		require.Len(t, do("PUT", "/_api/document/c?onlyget=true", `["a1","old4","new"]`, 200, 0).list(t), 3)
		a = do("POST", "/_api/import?collection=c&type=documents", "{\"_key\":\"i1\"}\n{\"_key\":\"i2\"}\n{\"_key\":\"old6\"}\n", 201, 0)
		require.Equal(t, 2.0, a.decode(t)["created"])
		require.Equal(t, 23, c.count(t, "c", header), "20 + new, a1, a2, i1, i2 - old2, old5")
		require.Equal(t, 20, c.count(t, "c"))
		want(t, c.do(t, "GET", "/_api/document/c/new", ""), 404, 1202)
		require.Equal(t, 0.0, c.do(t, "GET", "/_api/document/c/old0", "").decode(t)["n"])

		a = do("PUT", "/_api/simple/all", `{"collection":"c","batchSize":10}`, 201, 0)
		seen := len(a.decode(t)["result"].([]any))
		for a.decode(t)["hasMore"] == true {
			a = do("PUT", "/_api/cursor/"+a.decode(t)["id"].(string), "", 200, 0)
			seen += len(a.decode(t)["result"].([]any))
		}
		require.Equal(t, 23, seen)
		do("GET", "/_api/collection/c/checksum", "", 400, 1653)

		if !commit {
			c.abort(t, id)
			require.Equal(t, 20, c.count(t, "c"))
			continue
		}
		c.commit(t, id)
		require.Equal(t, 23, c.count(t, "c"))
		require.Equal(t, 100.0, c.do(t, "GET", "/_api/document/c/old0", "").decode(t)["n"])
		require.Equal(t, 4.0, c.do(t, "GET", "/_api/document/c/old4", "").decode(t)["m"])
		want(t, c.do(t, "GET", "/_api/document/c/old5", ""), 404, 1202)
	}
	id, header := c.begun(t, 0, `{"exclusive":"c"}`)
	want(t, c.do(t, "PUT", "/_api/collection/c/truncate", "", header), 200, 0)
	require.Zero(t, c.count(t, "c", header))
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"only"}`, header), 202, 0)
	c.commit(t, id)
	require.Equal(t, 1, c.count(t, "c"))
}

// A cursor that was made in a transaction reads in it, whether the client names it again or not, and ends with it.
func TestCursorOfATransaction(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.collection(t, "c", 2)
	id, header := c.begun(t, 0, `{"write":"c"}`)
	for i := range 6 {
		want(t, c.do(t, "POST", "/_api/document/c", fmt.Sprintf(`{"_key":"k%d"}`, i), header), 202, 0)
	}
	cursor := "/_api/cursor/" + c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":2}`, header).decode(t)["id"].(string)
	require.Len(t, c.do(t, "PUT", cursor, "").decode(t)["result"], 2)
	_, another := c.begun(t, 0, `{}`)
	want(t, c.do(t, "PUT", cursor, "", another), 400, 1653)
	c.abort(t, id)
	want(t, c.do(t, "PUT", cursor, ""), 410, 1654)
	want(t, c.do(t, "DELETE", cursor, ""), 202, 0)

	want(t, c.do(t, "POST", "/_api/document/c", `[{},{},{}]`), 202, 0)
	cursor = "/_api/cursor/" + c.do(t, "PUT", "/_api/simple/all", `{"collection":"c","batchSize":1}`).decode(t)["id"].(string)
	want(t, c.do(t, "PUT", cursor, "", another), 400, 1653)
	want(t, c.do(t, "PUT", cursor, ""), 200, 0)
}

// Two writers of a document: one waits, and hears who was in the way. The transaction goes on.
func TestConflictsOfTransactions(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	c.collection(t, "c", 2)
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"k","n":0}`), 202, 0)
	first, in1 := c.begun(t, 0, `{"write":"c"}`)
	want(t, c.do(t, "PATCH", "/_api/document/c/k", `{"n":1}`, in1), 202, 0)
	a := c.do(t, "POST", "/_api/transaction/begin", `{"collections":{"write":"c"},"lockTimeout":0.2}`)
	second := a.decode(t)["result"].(map[string]any)["id"].(string)
	in2 := "X-Arango-Trx-Id: " + second
	a = c.do(t, "PATCH", "/_api/document/c/k", `{"n":2}`, in2)
	want(t, a, 409, 1200)
	require.Contains(t, a.body, first, "it says who was in the way")
	want(t, c.do(t, "POST", "/_api/document/c", `{"_key":"mine"}`, in2), 202, 0)
	c.commit(t, first)
	want(t, c.do(t, "PATCH", "/_api/document/c/k", `{"n":2}`, in2), 202, 0)
	c.commit(t, second)
	require.Equal(t, 2.0, c.do(t, "GET", "/_api/document/c/k", "").decode(t)["n"])

	// No lost update: what was read has changed since.
	first, in1 = c.begun(t, 0, `{"write":"c"}`)
	want(t, c.do(t, "GET", "/_api/document/c/k", "", in1), 200, 0)
	want(t, c.do(t, "PATCH", "/_api/document/c/k", `{"n":3}`), 202, 0)
	want(t, c.do(t, "PATCH", "/_api/document/c/k", `{"n":4}`, in1), 409, 1200)
	c.abort(t, first)
}

// In a collection with shard keys, a document that is named by its key alone is looked for on all shards, also by the transaction
// that has written it.
func TestSearchInATransaction(t *testing.T) {
	c := startCluster(t, options{dbservers: 3})
	want(t, c.do(t, "POST", "/_api/collection", `{"name":"s","numberOfShards":6,"shardKeys":["a"]}`), 200, 0)
	id, header := c.begun(t, 0, `{"write":"s"}`)
	var keys []string
	for i := range 10 {
		keys = append(keys, c.do(t, "POST", "/_api/document/s", fmt.Sprintf(`{"a":%d}`, i), header).decode(t)["_key"].(string))
	}
	for i, key := range keys {
		want(t, c.do(t, "GET", "/_api/document/s/"+key, ""), 404, 1202)
		require.EqualValues(t, i, c.do(t, "GET", "/_api/document/s/"+key, "", header).decode(t)["a"])
		want(t, c.do(t, "PATCH", "/_api/document/s/"+key, `{"m":1}`, header), 202, 0)
	}
	want(t, c.do(t, "DELETE", "/_api/document/s/"+keys[0], "", header), 202, 0)
	c.commit(t, id)
	require.Equal(t, 9, c.count(t, "s"))
	require.EqualValues(t, 1, c.do(t, "GET", "/_api/document/s/"+keys[5], "").decode(t)["m"])
}

// Money is moved between accounts on all shards by many clients at two coordinators: readers and the end find all of it.
func TestTransfersBetweenAccounts(t *testing.T) {
	c := startCluster(t, options{dbservers: 3, coordinators: 2})
	c.collection(t, "bank", 6)
	const accounts, each = 12, 100
	for i := range accounts {
		want(t, c.do(t, "POST", "/_api/document/bank", fmt.Sprintf(`{"_key":"a%d","n":%d}`, i, each)), 202, 0)
	}
	var clients sync.WaitGroup
	committed := make([]int, 8)
	for n := range committed {
		clients.Go(func() {
			url := c.coordinators[n%2].URL()
			until := time.Now().Add(3 * time.Second)
			for i := 0; time.Now().Before(until); i++ {
				if c.transfer(t, url, fmt.Sprintf("a%d", (n*5+i*7)%accounts), fmt.Sprintf("a%d", (n*3+i*11+1)%accounts)) {
					committed[n]++
				}
			}
		})
	}
	clients.Wait()
	total, sum := 0, 0
	for _, n := range committed {
		total += n
	}
	for i := range accounts {
		sum += int(c.do(t, "GET", fmt.Sprintf("/_api/document/bank/a%d", i), "").decode(t)["n"].(float64))
	}
	require.Equal(t, accounts*each, sum)
	require.Greater(t, total, 20)
	t.Log(total, "transfers")
	require.Empty(t, c.do(t, "GET", "/_api/transaction", "").decode(t)["transactions"])
}

// A DB server stops while money is moved: leaders of shards change in the middle of transactions.
// Those that are hit are aborted as a whole, whether or not their client heard it; nothing of them is left.
func TestTransfersWhileAServerStops(t *testing.T) {
	c := startCluster(t, options{dbservers: 3, coordinators: 2})
	want(t, c.do(t, "POST", "/_api/collection", `{"name":"bank","numberOfShards":6,"replicationFactor":2}`), 200, 0)
	const accounts, each = 12, 100
	for i := range accounts {
		want(t, c.do(t, "POST", "/_api/document/bank", fmt.Sprintf(`{"_key":"a%d","n":%d}`, i, each)), 202, 0)
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	var committed, failed atomic.Int64
	for n := range 6 {
		clients.Go(func() {
			url := c.coordinators[n%2].URL()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if c.mayTransfer(t, url, fmt.Sprintf("a%d", (n*5+i*7)%accounts), fmt.Sprintf("a%d", (n*3+i*11+1)%accounts)) {
					committed.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	enough := func(more int64) {
		t.Helper()
		before := committed.Load()
		require.Eventually(t, func() bool { return committed.Load() >= before+more }, time.Minute, 10*time.Millisecond)
	}
	enough(10)
	closing(t, c.dbservers[0].Close)
	enough(10)
	close(stop)
	clients.Wait()
	t.Log(committed.Load(), "transfers,", failed.Load(), "aborted")
	require.Eventually(t, func() bool {
		sum := 0
		for i := range accounts {
			a := c.do(t, "GET", fmt.Sprintf("/_api/document/bank/a%d", i), "")
			if a.status != 200 {
				return false
			}
			sum += int(a.decode(t)["n"].(float64))
		}
		require.Equal(t, accounts*each, sum)
		return true
	}, time.Minute, 100*time.Millisecond)
	require.Empty(t, c.do(t, "GET", "/_api/transaction", "").decode(t)["transactions"])
	for i := range accounts { // no lock is left
		want(t, c.do(t, "PATCH", fmt.Sprintf("/_api/document/bank/a%d", i), `{"m":1}`), 202, 0)
	}
}

// transfer is mayTransfer for when no commit may fail.
func (c *cluster) transfer(t *testing.T, url, from, to string) bool {
	return c.transferOr(t, url, from, to, func(a answer) { t.Error(a.body) })
}

// mayTransfer moves one between two accounts while servers stop: any request may fail.
func (c *cluster) mayTransfer(t *testing.T, url, from, to string) bool {
	return c.transferOr(t, url, from, to, func(answer) {})
}

// transferOr moves one between two accounts. It says whether that is committed; if not, it is aborted.
func (c *cluster) transferOr(t *testing.T, url, from, to string, failed func(answer)) bool {
	if from == to {
		return false
	}
	send := func(method, path, body string, headers ...string) answer {
		a, err := c.send(t.Context(), url, method, path, strings.NewReader(body), headers...)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	begun := send("POST", "/_api/transaction/begin", `{"collections":{"write":"bank"},"lockTimeout":0.5}`)
	var b struct{ Result struct{ ID string } }
	if json.Unmarshal([]byte(begun.body), &b) != nil || begun.status != 201 {
		failed(begun)
		return false
	}
	path, header := "/_api/transaction/"+b.Result.ID, "X-Arango-Trx-Id: "+b.Result.ID
	for key, change := range map[string]int{from: -1, to: 1} {
		var account struct{ N int }
		read := send("GET", "/_api/document/bank/"+key, "", header)
		_ = json.Unmarshal([]byte(read.body), &account)
		wrote := send("PATCH", "/_api/document/bank/"+key, fmt.Sprintf(`{"n":%d}`, account.N+change), header)
		if read.status != 200 || wrote.status != 202 {
			send("DELETE", path, "")
			return false
		}
	}
	done := send("PUT", path, "")
	if done.status != 200 {
		failed(done)
	}
	return done.status == 200
}
