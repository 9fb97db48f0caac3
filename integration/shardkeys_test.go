package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab/reader"
)

// spread is a collection with shard keys, and what has to stay of it.
type spread struct {
	*bubble
	by        []string
	documents map[string]spreadDocument // by key
}

type spreadDocument struct {
	a, n  int
	shard string
}

// create makes the collection.
func (s *spread) create() {
	s.t.Helper()
	body := map[string]any{"name": "c", "numberOfShards": 5, "replicationFactor": 2, "shardKeys": s.by}
	require.NoError(s.t, s.clients[0].Do(s.t.Context(), http.MethodPost, "/_api/collection", body, nil))
}

// insert inserts documents. No key is made twice.
func (s *spread) insert(n int) {
	s.t.Helper()
	for range n {
		d := spreadDocument{a: len(s.documents) % 7, n: len(s.documents)}
		var m client.Meta
		s.await(time.Minute, func() (err error) {
			m, err = s.clients[d.n%2].Database("").Insert(s.t.Context(), "c", map[string]any{"a": d.a, "n": d.n})
			return err
		})
		require.NotContains(s.t, s.documents, m.Key, "a key is made twice")
		d.shard = s.responsible(d.a)
		s.documents[m.Key] = d
	}
}

func (s *spread) responsible(a int) string {
	s.t.Helper()
	var answer struct{ ShardID string }
	s.await(time.Minute, func() error {
		return s.clients[0].Do(s.t.Context(), http.MethodPut, "/_api/collection/c/responsibleShard", map[string]any{"a": float64(a), "b": nil}, &answer)
	})
	return answer.ShardID
}

// holds demands that the collection has its shard keys, and each document its shard, and that both have their effect.
func (s *spread) holds(when string) {
	t := s.t
	t.Helper()
	var properties struct{ ShardKeys []string }
	require.NoError(t, s.clients[1].Do(t.Context(), http.MethodGet, "/_api/collection/c/properties", nil, &properties))
	require.Equal(t, s.by, properties.ShardKeys, when)
	number := func(err error) int {
		var e *client.Error
		require.ErrorAs(t, err, &e, when)
		return e.Number
	}
	db := func(n int) *client.Database { return s.clients[n%2].Database("") }
	for key, d := range s.documents {
		var got struct{ A, N int }
		s.await(time.Minute, func() error { return db(d.n).Read(t.Context(), client.Ref{Collection: "c", Key: key}, &got) })
		require.Equal(t, d, spreadDocument{got.A, got.N, s.responsible(got.A)}, when)
		if d.n%8 > 0 { // some of them
			continue
		}
		at := client.Ref{Collection: "c", Key: key}
		_, err := db(d.n).Replace(t.Context(), at, map[string]any{"b": nil, "a": float64(d.a), "n": d.n})
		require.NoError(t, err, when)
		_, err = db(d.n).Update(t.Context(), at, map[string]any{"seen": when})
		require.NoError(t, err, when)
		_, err = db(d.n).Update(t.Context(), at, map[string]any{"a": d.a + 1})
		require.Equal(t, 1469, number(err), when)
		_, err = db(d.n).Replace(t.Context(), at, map[string]any{"a": d.a})
		require.Equal(t, 1468, number(err), when)
		_, err = db(d.n).Insert(t.Context(), "c", map[string]any{"_key": "own"})
		require.Equal(t, 1466, number(err), when)
	}
	n, err := db(0).Count(t.Context(), "c")
	require.NoError(t, err)
	require.EqualValues(t, len(s.documents), n, when)
}

// What a collection is spread by, and on which shards its documents are, stays as it is: in a backup that a reader opens, after
// an upload, a download and a restore, when a leader dies, and when the agency is recovered from one disk.
func TestShardKeysSurvive(t *testing.T) {
	inBubble(t, 41, func(b *bubble) {
		s := &spread{bubble: b, by: []string{"a", "b"}, documents: map[string]spreadDocument{}}
		s.create()
		s.insert(14)
		was, err := reader.ReadAll(b.t.Context(), b.clients[0], nil)
		require.NoError(b.t, err)
		made := b.backedUpBy(0, "kept")
		s.read(made.ID, was)
		request := client.TransferRequest{ID: made.ID, Remote: b.Remote().At("here")}
		b.transfer(client.Upload, request)
		_, err = b.clients[0].Backups().Delete(b.t.Context(), made.ID)
		require.NoError(b.t, err)
		b.transfer(client.Download, request)

		require.NoError(b.t, b.clients[0].Database("").DropCollection(b.t.Context(), "c"))
		other := &spread{bubble: b, by: []string{"n"}}
		other.create()
		_, err = b.clients[0].Database("").Insert(b.t.Context(), "c", map[string]any{"n": 1})
		require.NoError(b.t, err)
		_, err = b.clients[0].Backups().Restore(b.t.Context(), client.RestoreRequest{ID: made.ID})
		require.NoError(b.t, err)
		b.heal()
		s.holds("restored")
		s.insert(4)

		s.failsOver()

		time.Sleep(5 * time.Second) // all agents have it
		for _, agent := range []string{"agent-1", "agent-2"} {
			require.NoError(b.t, b.Lose(agent))
		}
		require.NoError(b.t, b.Kill("agent-3"))
		require.NoError(b.t, b.Recover("agent-3"))
		for _, agent := range []string{"agent-3", "agent-1", "agent-2"} {
			require.NoError(b.t, b.Start(b.t.Context(), agent))
		}
		b.heal()
		require.EqualValues(b.t, 2, b.observer.agency.Origin().Incarnation, "the agency is not a recovered one")
		s.holds("recovered")
		s.insert(2)
	})
}

// read demands that a reader sees the collection as it was.
func (s *spread) read(id string, was reader.Contents) {
	t := s.t
	t.Helper()
	pieces, err := s.Pieces(id)
	require.NoError(t, err)
	r, err := reader.Open(t.Context(), id, pieces)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	is, err := reader.ReadAll(t.Context(), r.Client(), nil)
	require.NoError(t, err)
	require.Equal(t, was, is)
	inside := *s.bubble
	inside.clients = []*client.Client{r.Client(), r.Client()}
	(&spread{bubble: &inside, by: s.by, documents: s.documents}).holds("read")
}

// failsOver has the leader of some shards die. Documents are found and changed by their keys all the same.
func (s *spread) failsOver() {
	t := s.t
	t.Helper()
	leads := func(name string) (n int) {
		all, _, err := s.shards(t.Context())
		require.NoError(t, err)
		for _, r := range all {
			if s.names[r.plan[0]] == name {
				n++
			}
		}
		return n
	}
	require.NotZero(t, leads("dbserver-1"), "no shard changes its leader")
	require.NoError(t, s.Kill("dbserver-1"))
	s.await(2*time.Minute, func() error {
		if n := leads("dbserver-1"); n > 0 {
			return fmt.Errorf("dbserver-1 leads %d shards", n)
		}
		return s.served(t.Context())
	})
	s.holds("failed over")
	s.restart("dbserver-1")
	s.heal()
}
