package coordinator_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/arangodb/go-driver/v2/connection"
	"github.com/stretchr/testify/require"
)

// The official driver works unchanged, over HTTP/1.1 and over HTTP/2.
func TestOfficialDriver(t *testing.T) {
	c := startCluster(t, options{dbservers: 2})
	endpoint := connection.NewRoundRobinEndpoints([]string{c.coordinators[0].URL()})
	t.Run("http1", func(t *testing.T) {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		drive(t, c, arangodb.NewClient(connection.NewHttpConnection(connection.HttpConfiguration{Endpoint: endpoint, ContentType: connection.ApplicationJSON, Transport: transport})), "one")
	})
	t.Run("http2", func(t *testing.T) {
		config := connection.DefaultHTTP2ConfigurationWrapper(endpoint, false)
		//lint:ignore SA1019 it is the type that the driver takes
		defer config.Transport.CloseIdleConnections()
		drive(t, c, arangodb.NewClient(connection.NewHttp2Connection(config)), "two")
	})
}

type book struct {
	Key   string `json:"_key,omitempty"`
	Title string `json:"title"`
	N     int    `json:"n"`
}

func drive(t *testing.T, c *cluster, client arangodb.Client, dbName string) {
	ctx := t.Context()
	driveServer(t, c, client)
	db, err := client.CreateDatabase(ctx, dbName, nil)
	require.NoError(t, err)
	_, err = client.CreateDatabase(ctx, dbName, nil)
	require.True(t, shared.IsConflict(err), "%v", err)
	_, err = client.GetDatabase(ctx, "nope", nil)
	require.True(t, shared.IsNotFound(err), "%v", err)
	databases, err := client.AccessibleDatabases(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, databases)
	info, err := db.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, dbName, info.Name)

	shards := 3
	col, err := db.CreateCollectionV2(ctx, "books", &arangodb.CreateCollectionPropertiesV2{NumberOfShards: &shards})
	require.NoError(t, err)
	exists, err := db.CollectionExists(ctx, "books")
	require.NoError(t, err)
	require.True(t, exists)
	exists, err = db.CollectionExists(ctx, "nope")
	require.NoError(t, err)
	require.False(t, exists)
	props, err := col.Properties(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, props.NumberOfShards)
	waitForSync := true
	require.NoError(t, col.SetPropertiesV2(ctx, arangodb.SetCollectionPropertiesOptionsV2{WaitForSync: &waitForSync}))

	driveOne(t, col)
	driveMany(t, col)
	result, err := col.ImportDocuments(ctx, "{\"_key\":\"i1\"}\n{\"_key\":\"i2\"}\n", arangodb.ImportDocumentTypeDocuments)
	require.NoError(t, err)
	require.EqualValues(t, 2, result.Created)
	require.NoError(t, col.Truncate(ctx))
	count, err := col.Count(ctx)
	require.NoError(t, err)
	require.Zero(t, count)
	layout, err := col.Shards(ctx, true)
	require.NoError(t, err)
	require.Len(t, layout.Shards, 3)
	require.NoError(t, col.Remove(ctx))
	require.NoError(t, db.Remove(ctx))
}

func driveServer(t *testing.T, c *cluster, client arangodb.Client) {
	t.Helper()
	ctx := t.Context()
	v, err := client.Version(ctx)
	require.NoError(t, err)
	require.Equal(t, "enterprise", v.License)
	role, err := client.ServerRole(ctx)
	require.NoError(t, err)
	require.Equal(t, arangodb.ServerRoleCoordinator, role)
	id, err := client.ServerID(ctx)
	require.NoError(t, err)
	require.Equal(t, c.coordinators[0].ID(), id)
	require.NoError(t, client.CheckAvailability(ctx, c.coordinators[0].URL()))
	require.NoError(t, client.CheckAvailability(ctx, c.dbservers[0].URL()))
	require.NoError(t, client.CheckAvailability(ctx, c.agent.URL()))
	health, err := client.Health(ctx)
	require.NoError(t, err)
	require.Len(t, health.Health, 4)
	require.Equal(t, arangodb.ServerRoleDBServer, health.Health[arangodb.ServerID(c.dbservers[0].ID())].Role)
	require.Equal(t, arangodb.ServerRoleAgent, health.Health[arangodb.ServerID(c.agent.ID())].Role)
	endpoints, err := client.ClusterEndpoints(ctx)
	require.NoError(t, err)
	require.Len(t, endpoints.Endpoints, 1)
}

func driveOne(t *testing.T, col arangodb.Collection) {
	t.Helper()
	ctx := t.Context()
	meta, err := col.CreateDocument(ctx, book{Key: "a", Title: "x"})
	require.NoError(t, err)
	require.EqualValues(t, "books/a", meta.ID)
	_, err = col.CreateDocument(ctx, book{Key: "a"})
	require.True(t, shared.IsConflict(err), "%v", err)
	var got book
	read, err := col.ReadDocument(ctx, "a", &got)
	require.NoError(t, err)
	require.Equal(t, meta.Rev, read.Rev)
	require.Equal(t, book{"a", "x", 0}, got)
	_, err = col.ReadDocument(ctx, "nope", &got)
	require.True(t, shared.IsNotFound(err), "%v", err)
	var old, now book
	updated, err := col.UpdateDocumentWithOptions(ctx, "a", map[string]any{"n": 7}, &arangodb.CollectionDocumentUpdateOptions{OldObject: &old, NewObject: &now, IfMatch: meta.Rev})
	require.NoError(t, err)
	require.Equal(t, meta.Rev, updated.OldRev)
	require.Equal(t, book{"a", "x", 7}, now)
	require.Equal(t, book{"a", "x", 0}, old)
	_, err = col.UpdateDocumentWithOptions(ctx, "a", map[string]any{"n": 8}, &arangodb.CollectionDocumentUpdateOptions{IfMatch: meta.Rev})
	require.True(t, shared.IsPreconditionFailed(err), "%v", err)
	_, err = col.ReplaceDocument(ctx, "a", book{Title: "y"})
	require.NoError(t, err)
	exists, err := col.DocumentExists(ctx, "a")
	require.NoError(t, err)
	require.True(t, exists)
	_, err = col.DeleteDocument(ctx, "a")
	require.NoError(t, err)
	exists, err = col.DocumentExists(ctx, "a")
	require.NoError(t, err)
	require.False(t, exists)
}

func driveMany(t *testing.T, col arangodb.Collection) {
	t.Helper()
	ctx := t.Context()
	var books []book
	var keys []string
	for i := range 30 {
		books = append(books, book{Key: fmt.Sprintf("m%d", i), N: i})
		keys = append(keys, books[i].Key)
	}
	created, err := col.CreateDocuments(ctx, books)
	require.NoError(t, err)
	for i := range books {
		meta, err := created.Read()
		require.NoError(t, err)
		require.Equal(t, keys[i], meta.Key)
	}
	read, err := col.ReadDocuments(ctx, append(keys, "missing"))
	require.NoError(t, err)
	for i := range books {
		var got book
		_, err := read.Read(&got)
		require.NoError(t, err)
		require.Equal(t, books[i], got)
	}
	_, err = read.Read(&book{})
	require.True(t, shared.IsNotFound(err) || shared.IsArangoErrorWithErrorNum(err, 1202), "%v", err)
	updated, err := col.UpdateDocuments(ctx, []map[string]any{{"_key": "m1", "n": 100}, {"_key": "zz"}})
	require.NoError(t, err)
	_, err = updated.Read()
	require.NoError(t, err)
	_, err = updated.Read()
	require.True(t, shared.IsArangoErrorWithErrorNum(err, 1202), "%v", err)
	removed, err := col.DeleteDocuments(ctx, keys)
	require.NoError(t, err)
	for range keys {
		_, err := removed.Read(&book{})
		require.NoError(t, err)
	}
}
