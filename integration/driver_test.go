package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"

	"stasis/minicluster"
)

// drivers are the official driver over HTTP/1.1 and over cleartext HTTP/2.
func drivers(c *cluster) map[string]arangodb.Client {
	var urls []string
	for _, cl := range c.clients {
		urls = append(urls, cl.URL())
	}
	e := connection.NewRoundRobinEndpoints(urls)
	return map[string]arangodb.Client{
		"http1": arangodb.NewClient(connection.NewHttpConnection(connection.DefaultHTTPConfigurationWrapper(e, true))),
		"http2": arangodb.NewClient(connection.NewHttp2Connection(connection.DefaultHTTP2ConfigurationWrapper(e, true))),
	}
}

const peopleFile = "../../shared/data/people.jsonl"

// people gives n documents: of the public data set where it is there, else invented.
func people(t testing.TB, n int) []map[string]any {
	f, err := os.Open(peopleFile)
	if errors.Is(err, os.ErrNotExist) {
		t.Log("no people.jsonl here: taking invented people")
		return invented(n)
	}
	require.NoError(t, err)
	defer f.Close()
	var docs []map[string]any
	for in := bufio.NewScanner(f); in.Scan() && len(docs) < n; {
		doc := map[string]any{}
		require.NoError(t, json.Unmarshal(in.Bytes(), &doc))
		doc["_key"] = fmt.Sprintf("person%d", len(docs))
		docs = append(docs, doc)
	}
	for i := 0; len(docs) > 0 && len(docs) < n; i++ { // the file has too few: the same people under other keys
		doc := maps.Clone(docs[i])
		doc["_key"] = fmt.Sprintf("person%d", len(docs))
		docs = append(docs, doc)
	}
	return docs
}

func invented(n int) []map[string]any {
	rng := rand.New(rand.NewPCG(7, 7))
	docs := make([]map[string]any, n)
	for i := range docs {
		docs[i] = map[string]any{
			"_key": fmt.Sprintf("person%d", i), "name": map[string]any{"first": fmt.Sprintf("F%d", rng.IntN(100)), "last": strings.Repeat("L", 1+rng.IntN(20))},
			"likes": []string{"chess"}, "memberSince": fmt.Sprintf("20%02d-01-01", rng.IntN(24)),
		}
	}
	return docs
}

// An ordinary client creates, fills, backs up, changes, drops and restores, and
// finds document by document what it had put in.
func TestOfficialDriver(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, o minicluster.Options) {
		c := start(t, o)
		for name, driver := range drivers(c) {
			if scale(0, 1) == 0 && (name == "http2") != (o.Mode == minicluster.InProcess) {
				continue // each protocol once: both kinds of cluster have the same server
			}
			t.Run(name, func(t *testing.T) { driverRound(t, driver, name, scale(600, 10000)) })
		}
	})
}

func driverRound(t *testing.T, driver arangodb.Client, dbName string, n int) {
	ctx := t.Context()
	db, err := driver.CreateDatabase(ctx, dbName, nil)
	require.NoError(t, err)
	col, err := db.CreateCollectionV2(ctx, "people", &arangodb.CreateCollectionPropertiesV2{NumberOfShards: ptr(5)})
	require.NoError(t, err)
	other, err := db.CreateCollectionV2(ctx, "other", nil)
	require.NoError(t, err)
	_, err = other.CreateDocument(ctx, map[string]any{"_key": "a", "n": 1})
	require.NoError(t, err)
	docs := people(t, n)
	createAll(t, col, docs)
	want := readAll(ctx, t, col, docs)

	first, err := driver.BackupCreate(ctx, &arangodb.BackupCreateOptions{Label: "first"})
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(first.ID, "_first"), first.ID)
	require.Positive(t, first.SizeInBytes)
	require.Positive(t, first.NumberOfFiles)
	require.EqualValues(t, 3, first.NumberOfDBServers)
	require.WithinDuration(t, time.Now(), first.CreationTime, time.Minute)

	// Change, remove, add; a second backup of that; then destroy.
	_, err = col.UpdateDocument(ctx, "person0", map[string]any{"changed": true})
	require.NoError(t, err)
	_, err = col.DeleteDocument(ctx, "person1")
	require.NoError(t, err)
	_, err = col.CreateDocument(ctx, map[string]any{"_key": "later"})
	require.NoError(t, err)
	second, err := driver.BackupCreate(ctx, &arangodb.BackupCreateOptions{Label: "second"})
	require.NoError(t, err)
	require.NoError(t, other.Remove(ctx))
	require.NoError(t, col.Truncate(ctx))
	_, err = db.CreateCollectionV2(ctx, "afterwards", nil)
	require.NoError(t, err)

	checkList(t, driver, first.ID, second.ID)

	// The newer one, then the older one, then the older one again.
	restore(t, driver, second.ID)
	var doc map[string]any
	_, err = col.ReadDocument(ctx, "person0", &doc)
	require.NoError(t, err)
	require.Equal(t, true, doc["changed"])
	for range 2 {
		restore(t, driver, first.ID)
		require.Equal(t, want, readAll(ctx, t, col, docs))
		count, err := col.Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, len(docs), count)
		exists, err := db.CollectionExists(ctx, "afterwards")
		require.NoError(t, err)
		require.False(t, exists, "created after the backup")
		exists, err = other.DocumentExists(ctx, "a")
		require.NoError(t, err)
		require.True(t, exists, "dropped after the backup")
		_, err = col.CreateDocument(ctx, map[string]any{"_key": "scribble"})
		require.NoError(t, err)
	}
	// The next data definition works at once.
	_, err = db.CreateCollectionV2(ctx, "next", nil)
	require.NoError(t, err)

	require.NoError(t, driver.BackupDelete(ctx, first.ID))
	err = driver.BackupDelete(ctx, first.ID)
	require.True(t, shared.IsNotFound(err), "%v", err)
	_, err = driver.BackupRestore(ctx, first.ID)
	require.True(t, shared.IsNotFound(err), "%v", err)
	require.NoError(t, driver.BackupDelete(ctx, second.ID))
	require.NoError(t, db.Remove(ctx))
}

func restore(t testing.TB, driver arangodb.Client, id string) {
	t.Helper()
	r, err := driver.BackupRestore(t.Context(), id)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(r.Previous, "_failsafe"), r.Previous)
}

func checkList(t testing.TB, driver arangodb.Client, ids ...string) {
	t.Helper()
	ctx := t.Context()
	version, err := driver.Version(ctx)
	require.NoError(t, err)
	all, err := driver.BackupList(ctx, nil)
	require.NoError(t, err)
	for _, id := range ids {
		require.Contains(t, all.Backups, id)
		one, err := driver.BackupList(ctx, &arangodb.BackupListOptions{ID: id})
		require.NoError(t, err)
		require.Len(t, one.Backups, 1)
		b := one.Backups[id]
		require.True(t, b.Available)
		require.EqualValues(t, 3, b.NumberOfPiecesPresent)
		require.Equal(t, string(version.Version), b.Version)
	}
	_, err = driver.BackupList(ctx, &arangodb.BackupListOptions{ID: "2000-01-01T00.00.00Z_none"})
	require.True(t, shared.IsNotFound(err), "%v", err)
}

func createAll(t testing.TB, col arangodb.Collection, docs []map[string]any) {
	t.Helper()
	for begin := 0; begin < len(docs); begin += 500 {
		r, err := col.CreateDocuments(t.Context(), docs[begin:min(begin+500, len(docs))])
		require.NoError(t, err)
		for {
			_, err := r.Read()
			if shared.IsNoMoreDocuments(err) {
				break
			}
			require.NoError(t, err)
		}
	}
}

// readAll reads the documents by key, as the driver sees them.
func readAll(ctx context.Context, t testing.TB, col arangodb.Collection, docs []map[string]any) map[string]string {
	t.Helper()
	got := map[string]string{}
	for begin := 0; begin < len(docs); begin += 500 {
		var keys []string
		for _, d := range docs[begin:min(begin+500, len(docs))] {
			keys = append(keys, d["_key"].(string))
		}
		r, err := col.ReadDocuments(ctx, keys)
		require.NoError(t, err)
		for {
			var doc map[string]any
			meta, err := r.Read(&doc)
			if shared.IsNoMoreDocuments(err) {
				break
			}
			require.NoError(t, err)
			raw, err := json.Marshal(doc)
			require.NoError(t, err)
			got[meta.Key] = string(raw)
		}
	}
	return got
}

// The import reads JSON lines, and the whole-collection read gives them back.
func TestImportAndReadBack(t *testing.T) {
	t.Parallel()
	c := start(t, options(t, minicluster.InProcess))
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 4))
	docs := people(t, scale(600, 10000))
	var lines bytes.Buffer
	for _, d := range docs {
		require.NoError(t, json.NewEncoder(&lines).Encode(d))
	}
	res, err := c.db(0).Import(ctx, "people", "error", io.MultiReader(&lines, strings.NewReader("\n{broken\n")))
	require.NoError(t, err)
	require.EqualValues(t, len(docs), res.Created)
	require.EqualValues(t, 1, res.Errors)
	state, err := readDocuments(ctx, c.db(1), "people")
	require.NoError(t, err)
	require.Len(t, state["people"], len(docs))
	for _, d := range docs {
		want, err := json.Marshal(d)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(state["people"][d["_key"].(string)]))
	}
}

func ptr[T any](v T) *T { return &v }
