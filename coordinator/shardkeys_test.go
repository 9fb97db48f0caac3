package coordinator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator"
	dbclient "stasis/dbserver/client"
)

// spread makes a collection with shard keys.
func (c *cluster) spread(t *testing.T, name string, shards int, by ...string) {
	t.Helper()
	want(t, c.do(t, "POST", "/_api/collection", fmt.Sprintf(`{"name":%q,"numberOfShards":%d,"shardKeys":%s}`, name, shards, toJSON(t, by))), 200, 0)
}

// Which shard keys a collection may have, where they are shown, and that they stay.
func TestShardKeysOfACollection(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	for i, test := range []struct{ given, kept string }{
		{`["a"]`, `["a"]`}, {`["_key"]`, `["_key"]`}, {`null`, `["_key"]`}, {`["","foo"]`, `["foo"]`}, {`["bar",""]`, `["bar"]`}, {`["_from","_to"]`, `["_from","_to"]`},
		{`["a","_from"]`, `["a","_from"]`}, {`["_key","a"]`, `["_key","a"]`}, {`["a","b","c","d","e","f","g","h"]`, `["a","b","c","d","e","f","g","h"]`},
	} {
		name := fmt.Sprintf("c%d", i)
		a := c.do(t, "POST", "/_api/collection", fmt.Sprintf(`{"name":%q,"shardKeys":%s,"shardingStrategy":"hash"}`, name, test.given))
		want(t, a, 200, 0)
		require.JSONEq(t, test.kept, toJSON(t, a.decode(t)["shardKeys"]))
		require.Equal(t, "hash", a.decode(t)["shardingStrategy"])
		for _, path := range []string{"/properties", "/figures", "/count", "/shards"} {
			require.JSONEq(t, test.kept, toJSON(t, c.do(t, "GET", "/_api/collection/"+name+path, "").decode(t)["shardKeys"]), path)
		}
	}
	inventory := c.do(t, "GET", "/_api/replication/clusterInventory", "").decode(t)["collections"].([]any)
	require.Len(t, inventory, 9)
	require.Equal(t, []any{"a"}, inventory[0].(map[string]any)["parameters"].(map[string]any)["shardKeys"])
	var planned keys.Collection
	root, err := c.agency().Read(t.Context(), keys.PlanCollections)
	require.NoError(t, err)
	id := c.do(t, "GET", "/_api/collection/c8", "").decode(t)["id"].(string)
	require.NoError(t, root.At(keys.PlanCollection("_system", id)).Decode(&planned))
	require.Len(t, planned.ShardKeys, 8)

	for _, given := range []string{
		`"shardKeys":[]`, `"shardKeys":[""]`, `"shardKeys":["_id"]`, `"shardKeys":["a","_rev"]`, `"shardKeys":["a","b","c","d","e","f","g","h","i"]`, `"shardKeys":[1]`, `"shardKeys":"a"`,
		`"shardKeys":["_key:"]`, `"shardKeys":[":_key"]`, `"shardKeys":["a:"]`, `"distributeShardsLike":"c1"`, `"isSmart":true`, `"smartJoinAttribute":"a","shardKeys":["_key:"]`,
		`"smartGraphAttribute":"a"`, `"shardingStrategy":"community-compat"`, `"shardingStrategy":"enterprise-compat"`, `"shardingStrategy":"enterprise-hash-smart-edge"`, `"shardingStrategy":"what"`,
	} {
		want(t, c.do(t, "POST", "/_api/collection", `{"name":"x",`+given+`}`), 400, 10)
	}
	want(t, c.do(t, "GET", "/_api/collection/x", ""), 404, 1203)

	a := c.do(t, "PUT", "/_api/collection/c0/properties", `{"shardKeys":["b"]}`)
	want(t, a, 400, 10)
	require.Equal(t, `the shardKeys of collection c0 cannot be changed: they are ["a"]`, a.decode(t)["errorMessage"])
	want(t, c.do(t, "PUT", "/_api/collection/c0/properties", `{"numberOfShards":2}`), 400, 10)
	want(t, c.do(t, "PUT", "/_api/collection/c1/properties", `{"shardKeys":["a"]}`), 400, 10)
	want(t, c.do(t, "PUT", "/_api/collection/c0/properties", `{"shardKeys":["a"],"numberOfShards":1,"waitForSync":true}`), 200, 0)
	want(t, c.do(t, "PUT", "/_api/collection/nope/properties", `{"shardKeys":["a"]}`), 404, 1203)
}

// In a database whose sharding is single, a collection has one shard, on the same servers as the others.
func TestDatabaseOfOneShard(t *testing.T) {
	c := startCluster(t, options{dbservers: 3})
	want(t, c.do(t, "POST", "/_api/database", `{"name":"one","options":{"sharding":"single"}}`), 201, 0)
	c.collection(t, "elsewhere", 5)
	servers := map[string]bool{}
	for i := range 4 {
		a := c.do(t, "POST", "/_db/one/_api/collection", fmt.Sprintf(`{"name":"c%d","shardKeys":["a"],"replicationFactor":%d}`, i, i%2+1))
		want(t, a, 200, 0)
		require.EqualValues(t, 1, a.decode(t)["numberOfShards"])
		shards := c.do(t, "GET", fmt.Sprintf("/_db/one/_api/collection/c%d/shards?details=true", i), "").decode(t)["shards"].(map[string]any)
		for _, on := range shards {
			require.Len(t, on, i%2+1)
			servers[on.([]any)[0].(string)] = true
		}
	}
	require.Len(t, servers, 1, "the leaders are on one server")
	a := c.do(t, "POST", "/_db/one/_api/collection", `{"name":"x","numberOfShards":2}`)
	want(t, a, 400, 10)
	want(t, c.do(t, "POST", "/_db/one/_api/collection", `{"name":"x","numberOfShards":1}`), 200, 0)
}

// The life of a document in a collection with shard keys, with every error number, on one shard and on several.
func TestDocumentWithShardKeys(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	for _, shards := range []int{1, 5} {
		name := fmt.Sprintf("c%d", shards)
		c.spread(t, name, shards, "a", "b")
		all := "/_api/document/" + name
		put := func(document string) string { // it returns the key
			a := c.do(t, "POST", all, document)
			want(t, a, 202, 0)
			return a.decode(t)["_key"].(string)
		}
		for _, document := range []string{`{"a":1,"b":"2","c":true}`, `{"a":2,"b":"3","c":null}`, `{"b":"x"}`, `{"c":"x"}`, `{"a":null,"b":{"x":[1]}}`} {
			key := put(document)
			a := c.do(t, "GET", all+"/"+key, "")
			want(t, a, 200, 0)
			for name, value := range (answer{body: document}).decode(t) {
				require.Equal(t, value, a.decode(t)[name])
			}
			require.Equal(t, 200, c.do(t, "HEAD", all+"/"+key, "").status)
		}
		// The key is made, never chosen.
		for _, document := range []string{`{"_key":"test"}`, `{"_key":"test","a":1,"b":2}`} {
			for _, query := range []string{"", "?overwriteMode=replace", "?overwriteMode=update", "?overwriteMode=ignore", "?overwrite=true"} {
				a := c.do(t, "POST", all+query, document)
				want(t, a, 400, 1466)
				require.Equal(t, "must not specify _key for this collection: its shard keys are a, b", a.decode(t)["errorMessage"])
			}
		}
		key := put(`{"a":1,"b":"2","c":true,"d":"test"}`)
		one := all + "/" + key
		// A replacement has all shard keys, and the same values.
		want(t, c.do(t, "PUT", one, `{"b":"2","a":1.0,"c":false}`), 202, 0)
		require.NotContains(t, c.do(t, "GET", one, "").decode(t), "d")
		for _, path := range []string{one, all + "/foobar"} {
			a := c.do(t, "PUT", path, `{"a":1,"foo":2}`)
			want(t, a, 400, 1468)
			require.Equal(t, "not all sharding attributes given: the new document lacks b", a.decode(t)["errorMessage"])
		}
		want(t, c.do(t, "PUT", all+"/foobar", `{"a":1,"b":2}`), 404, 1202)
		a := c.do(t, "PUT", one, `{"a":1,"b":2}`) // the number, not the text
		require.True(t, a.status == 400 && a.decode(t)["errorNum"] == 1469.0 || a.status == 404 && a.decode(t)["errorNum"] == 1202.0 && shards > 1, a.body)
		// An update has any of them, with the same values.
		a = c.do(t, "PATCH", one+"?returnNew=true", `{"b":"2","c":"foo"}`)
		want(t, a, 202, 0)
		require.Equal(t, 1.0, a.decode(t)["new"].(map[string]any)["a"])
		want(t, c.do(t, "PATCH", one, `{"a":1e0,"b":"\u0032"}`), 202, 0)
		want(t, c.do(t, "PATCH", one, `{"d":[1]}`), 202, 0)
		want(t, c.do(t, "PATCH", one+"?keepNull=false", `{"e":null}`), 202, 0)
		for _, document := range []string{`{"b":"1","c":false}`, `{"a":null}`, `{"a":{"x":1}}`} {
			for _, query := range []string{"", "?keepNull=false", "?mergeObjects=false"} {
				a = c.do(t, "PATCH", one+query, document)
				want(t, a, 400, 1469)
				require.Contains(t, a.decode(t)["errorMessage"], "must not change the value of shard key attribute")
			}
		}
		want(t, c.do(t, "PATCH", all+"/foobar", `{"c":1}`), 404, 1202)
		require.Equal(t, map[string]any{"a": 1.0, "b": "2", "c": "foo", "d": []any{1.0}}, own(c.do(t, "GET", one, "").decode(t)))
		// Revisions.
		want(t, c.do(t, "PATCH", one, `{"c":1}`, "If-Match: nope"), 412, 1200)
		want(t, c.do(t, "GET", one, "", "If-Match: nope"), 412, 1200)
		want(t, c.do(t, "DELETE", one, "", "If-Match: nope"), 412, 1200)
		rev := c.do(t, "GET", one, "").header.Get("Etag")
		require.Equal(t, 304, c.do(t, "GET", one, "", "If-None-Match: "+rev).status)
		want(t, c.do(t, "DELETE", one+"?returnOld=true", "", "If-Match: "+rev), 202, 0)
		want(t, c.do(t, "DELETE", one, ""), 404, 1202)
		want(t, c.do(t, "GET", one, ""), 404, 1202)
		// Missing and null are the same.
		key = put(`{"value":1}`)
		want(t, c.do(t, "PUT", all+"/"+key, `{"a":null,"b":null,"foo":3}`), 202, 0)
		want(t, c.do(t, "PATCH", all+"/"+key+"?keepNull=false", `{"a":null,"b":null,"foo":4}`), 202, 0)
		require.Equal(t, map[string]any{"foo": 4.0}, own(c.do(t, "GET", all+"/"+key, "").decode(t)))
		// An object is merged.
		key = put(`{"a":{"x":1,"y":2},"b":1}`)
		want(t, c.do(t, "PATCH", all+"/"+key, `{"a":{"y":2},"b":1}`), 202, 0)
		want(t, c.do(t, "PATCH", all+"/"+key, `{"a":{"y":3},"b":1}`), 400, 1469)
		want(t, c.do(t, "PATCH", all+"/"+key+"?mergeObjects=false", `{"a":{"y":2},"b":1}`), 400, 1469)
	}
}

// own is a document without what the server sets.
func own(document map[string]any) map[string]any {
	for _, name := range []string{"_id", "_key", "_rev"} {
		delete(document, name)
	}
	return document
}

// Arrays and imports follow the same rules, item by item; a replacement without its shard keys ends the whole request.
func TestArraysWithShardKeys(t *testing.T) {
	c := startCluster(t, options{dbservers: 2, limits: coordinator.Limits{DocumentsAtOnce: 7}})
	c.spread(t, "c", 4, "n")
	var items []string
	for i := range 50 {
		items = append(items, fmt.Sprintf(`{"n":%d,"v":%d}`, i%7, i))
	}
	items[10], items[20] = `{"_key":"x"}`, `17`
	a := c.do(t, "POST", "/_api/document/c", "["+strings.Join(items, ",")+"]")
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1466":1,"1227":1}`, a.header.Get("X-Arango-Error-Codes"))
	var made, keys, changes []string
	seen := map[string]bool{}
	for i, r := range a.list(t) {
		if i == 10 || i == 20 {
			continue
		}
		key := r["_key"].(string)
		require.False(t, seen[key], "a key is made twice")
		seen[key] = true
		made, keys = append(made, key), append(keys, `"`+key+`"`)
		changes = append(changes, fmt.Sprintf(`{"_key":%q,"w":%d}`, key, i))
	}
	keys = append(keys, `"missing"`, fmt.Sprintf(`{"_key":%q,"n":0}`, made[0]), fmt.Sprintf(`{"_key":%q,"n":1}`, made[0]))
	a = c.do(t, "PUT", "/_api/document/c?onlyget=true", "["+strings.Join(keys, ",")+"]")
	want(t, a, 200, 0)
	read := a.list(t)
	for i := range made {
		require.Equal(t, made[i], read[i]["_key"])
	}
	require.EqualValues(t, 1202, read[len(made)]["errorNum"])
	require.EqualValues(t, 0, read[len(made)+1]["v"])
	a = c.do(t, "PATCH", "/_api/document/c?returnOld=true", "["+strings.Join(append(changes, fmt.Sprintf(`{"_key":%q,"n":"x"}`, made[3]), `{"_key":"nope","n":1}`), ",")+"]")
	want(t, a, 202, 0)
	patched := a.list(t)
	require.EqualValues(t, 1469, patched[len(made)]["errorNum"])
	require.EqualValues(t, 1202, patched[len(made)+1]["errorNum"])
	require.JSONEq(t, `{"1469":1,"1202":1}`, a.header.Get("X-Arango-Error-Codes"))

	a = c.do(t, "PUT", "/_api/document/c", fmt.Sprintf(`[{"_key":%q,"n":0,"v":"new"},{"_key":"nope","v":1},{"_key":"nope","n":1}]`, made[0]))
	want(t, a, 400, 1468)
	require.EqualValues(t, 0, c.do(t, "GET", "/_api/document/c/"+made[0], "").decode(t)["v"], "a part of the array was done")
	a = c.do(t, "PUT", "/_api/document/c", fmt.Sprintf(`[{"_key":%q,"n":0.0,"v":"new"},{"_key":"nope","n":1},5]`, made[0]))
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1202":1,"1227":1}`, a.header.Get("X-Arango-Error-Codes"))
	require.Equal(t, "new", c.do(t, "GET", "/_api/document/c/"+made[0], "").decode(t)["v"])
	a = c.do(t, "DELETE", "/_api/document/c", fmt.Sprintf(`[%q,{"_key":%q},%q,%q]`, made[0], made[1], made[1], "c/"+made[2]))
	want(t, a, 202, 0)
	require.JSONEq(t, `{"1202":1}`, a.header.Get("X-Arango-Error-Codes"))
	require.EqualValues(t, 45, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])

	for _, onDuplicate := range []string{"error", "update", "replace", "ignore"} {
		a = c.do(t, "POST", "/_api/import?collection=c&type=documents&details=true&onDuplicate="+onDuplicate, "{\"n\":1}\n{\"_key\":\"x\",\"n\":1}\n{\"v\":1}\n")
		want(t, a, 201, 0)
		require.EqualValues(t, 2, a.decode(t)["created"])
		require.EqualValues(t, 1, a.decode(t)["errors"])
		require.Contains(t, a.decode(t)["details"].([]any)[0], "at position 2: must not specify _key for this collection")
	}
	a = c.do(t, "POST", "/_api/import?collection=c&type=list&complete=true", `[{"n":1},{"_key":"x"}]`)
	want(t, a, 409, 1466)
}

// The shard that is responsible has the document; the same values in another writing have the same shard.
func TestResponsibleShard(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	c.spread(t, "c", 7, "a", "b")
	c.collection(t, "k", 7)
	responsible := func(collection, body string) string {
		a := c.do(t, "PUT", "/_api/collection/"+collection+"/responsibleShard", body)
		want(t, a, 200, 0)
		return a.decode(t)["shardId"].(string)
	}
	counts := func(collection string) map[string]uint64 {
		n := map[string]uint64{}
		for shard, on := range c.do(t, "GET", "/_api/collection/"+collection+"/shards?details=true", "").decode(t)["shards"].(map[string]any) {
			for _, s := range c.dbservers {
				if s.ID() == on.([]any)[0] {
					counted, err := dbclient.New(c.http).Count(t.Context(), dbclient.Target{URL: s.URL()}, shard, dbclient.CountRequest{})
					require.NoError(t, err)
					n[shard] = counted.Count
				}
			}
		}
		return n
	}
	for i := range 20 {
		document := fmt.Sprintf(`{"a":%d,"b":"x","c":%d}`, i, i)
		shard := responsible("c", document)
		before := counts("c")[shard]
		want(t, c.do(t, "POST", "/_api/document/c", document), 202, 0)
		require.Equal(t, before+1, counts("c")[shard])
		require.Equal(t, shard, responsible("c", fmt.Sprintf(`{"b":"\u0078","a":%d.0}`, i)))
		key := fmt.Sprintf("%d", i)
		require.Equal(t, responsible("k", `{"_key":"`+key+`"}`), responsible("k", key))
		require.Equal(t, responsible("k", `{"_key":"`+key+`"}`), responsible("k", `"`+key+`"`))
	}
	for _, test := range []struct {
		collection, body string
		status, num      int
	}{
		{"c", `{"a":1}`, 400, 1468}, {"c", `"x"`, 400, 1468}, {"c", `[1]`, 400, 10}, {"c", `{"a":`, 400, 600}, {"k", `{}`, 400, 1468}, {"k", `{"a":1}`, 400, 1468},
		{"k", `["x"]`, 400, 10}, {"k", `{"_key":"a b"}`, 400, 1221}, {"k", `{"_key":[]}`, 400, 1221}, {"k", `null`, 400, 10}, {"nope", `{"_key":"x"}`, 404, 1203},
	} {
		want(t, c.do(t, "PUT", "/_api/collection/"+test.collection+"/responsibleShard", test.body), test.status, test.num)
	}
	require.NotEmpty(t, responsible("c", `{"a":null,"b":null}`))
}

// What cannot be: a key on two shards (1467), a collection without shards (1464). Nothing is done.
func TestShardsThatContradict(t *testing.T) {
	c := startCluster(t, options{dbservers: 1})
	c.spread(t, "c", 3, "a")
	servers := dbclient.New(c.http)
	id := c.do(t, "GET", "/_api/collection/c", "").decode(t)["id"].(string)
	for _, shard := range c.do(t, "GET", "/_api/collection/c/shards", "").decode(t)["shards"].([]any)[:2] {
		_, err := servers.Documents(t.Context(), dbclient.Target{URL: c.dbservers[0].URL()}, shard.(string), dbclient.DocumentsRequest{
			Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "twice", Document: json.RawMessage(`{"v":1}`)}},
		})
		require.NoError(t, err)
	}
	for _, request := range [][2]string{{"GET", ""}, {"PATCH", `{"v":2}`}, {"DELETE", ""}} {
		a := c.do(t, request[0], "/_api/document/c/twice", request[1])
		want(t, a, 500, 1467)
		require.Contains(t, a.decode(t)["errorMessage"], "got contradicting answers from different shards: ")
	}
	require.EqualValues(t, 2, c.do(t, "GET", "/_api/collection/c/count", "").decode(t)["count"])

	tx := agencyclient.Tx{Ops: map[string]any{keys.PlanCollection("_system", id) + "/shards": agencyclient.Set(map[string]any{}), keys.PlanVersion: agencyclient.Increment(1)}}
	index, err := c.agency().Write(t.Context(), tx)
	require.NoError(t, err)
	require.NotZero(t, index)
	want(t, c.do(t, "GET", "/_api/collection/nope", ""), 404, 1203) // the coordinator has asked the agency
	a := c.do(t, "POST", "/_api/document/c", `{"a":1}`)
	want(t, a, 500, 1464)
	require.Equal(t, "no responsible shard found in collection c: it has no shards", a.decode(t)["errorMessage"])
	want(t, c.do(t, "GET", "/_api/document/c/twice", ""), 500, 1464)
	want(t, c.do(t, "PUT", "/_api/collection/c/responsibleShard", `{"a":1}`), 500, 1464)
}

// The official driver, as anyone uses it.
func TestOfficialDriverWithShardKeys(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	ctx := t.Context()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := arangodb.NewClient(connection.NewHttpConnection(connection.HttpConfiguration{
		Endpoint: connection.NewRoundRobinEndpoints([]string{c.coordinators[0].URL()}), ContentType: connection.ApplicationJSON, Transport: transport,
	}))
	db, err := client.GetDatabase(ctx, "_system", nil)
	require.NoError(t, err)
	shards, by := 3, []string{"title", "n"}
	col, err := db.CreateCollectionV2(ctx, "books", &arangodb.CreateCollectionPropertiesV2{NumberOfShards: &shards, ShardKeys: &by})
	require.NoError(t, err)
	props, err := col.Properties(ctx)
	require.NoError(t, err)
	require.Equal(t, by, props.ShardKeys)

	meta, err := col.CreateDocument(ctx, book{Title: "x", N: 1})
	require.NoError(t, err)
	_, err = col.CreateDocument(ctx, book{Key: "own", Title: "x", N: 1})
	require.True(t, shared.IsArangoErrorWithErrorNum(err, 1466), "%v", err)
	var got book
	_, err = col.ReadDocument(ctx, meta.Key, &got)
	require.NoError(t, err)
	require.Equal(t, book{meta.Key, "x", 1}, got)
	_, err = col.UpdateDocument(ctx, meta.Key, map[string]any{"more": true})
	require.NoError(t, err)
	_, err = col.UpdateDocument(ctx, meta.Key, map[string]any{"n": 2})
	require.True(t, shared.IsArangoErrorWithErrorNum(err, 1469), "%v", err)
	_, err = col.ReplaceDocument(ctx, meta.Key, map[string]any{"title": "x"})
	require.True(t, shared.IsArangoErrorWithErrorNum(err, 1468), "%v", err)
	_, err = col.ReplaceDocument(ctx, meta.Key, book{Title: "x", N: 1})
	require.NoError(t, err)
	exists, err := col.DocumentExists(ctx, meta.Key)
	require.NoError(t, err)
	require.True(t, exists)

	books := make([]book, 20)
	for i := range books {
		books[i] = book{Title: fmt.Sprint(i), N: i}
	}
	created, err := col.CreateDocuments(ctx, books)
	require.NoError(t, err)
	made := make([]string, len(books))
	for i := range books {
		meta, err := created.Read()
		require.NoError(t, err)
		made[i] = meta.Key
	}
	read, err := col.ReadDocuments(ctx, made)
	require.NoError(t, err)
	for i := range books {
		_, err := read.Read(&got)
		require.NoError(t, err)
		require.Equal(t, book{made[i], fmt.Sprint(i), i}, got)
	}
	removed, err := col.DeleteDocuments(ctx, made)
	require.NoError(t, err)
	for range made {
		_, err := removed.Read(&got)
		require.NoError(t, err)
	}
	_, err = col.DeleteDocument(ctx, meta.Key)
	require.NoError(t, err)
	_, err = col.ReadDocument(ctx, meta.Key, &got)
	require.True(t, shared.IsNotFound(err), "%v", err)
	count, err := col.Count(ctx)
	require.NoError(t, err)
	require.Zero(t, count)
}
