package transaction_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/catalog"
	"stasis/coordinator/route"
	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/internal/bubbles"
)

// fixture is a Manager with its world, in a bubble.
type fixture struct {
	t       require.TestingT
	plan    *plan
	world   *world
	catalog *catalog.Catalog
	m       *transaction.Manager
	router  *route.Router
	stop    func() // closes the manager
}

// begin makes a world whose shards have these leaders: A, B or C. In a test it is closed at the end.
func start(t require.TestingT, change func(*transaction.Options), leaders ...string) *fixture {
	f := &fixture{t: t, plan: &plan{}}
	urls := []string{}
	for _, l := range leaders {
		urls = append(urls, "http://"+strings.ToLower(l))
	}
	f.world = newWorld(urls...)
	f.plan.become(t, 1, leaders...)
	f.catalog = catalogOf(f.plan)
	o := transaction.Options{Servers: f.world, Parts: f.world, Catalog: f.catalog, ID: me}
	if change != nil {
		change(&o)
	}
	f.m = transaction.New(o)
	f.router = &route.Router{Servers: f.world, Catalog: f.catalog, Attempt: time.Minute, Retry: 3 * time.Second, AtOnce: 100}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f.m.Run(ctx) })
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			closing, end := context.WithTimeout(context.Background(), time.Minute)
			defer end()
			f.m.Close(closing)
			cancel()
			running.Wait()
			f.catalog.Close()
		})
	}
	return f
}

// test runs a test in a bubble with a fixture.
func test(t *testing.T, change func(*transaction.Options), run func(f *fixture), leaders ...string) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, change, leaders...)
		defer f.stop()
		run(f)
	})
}

func writing(s *transaction.Spec) {}

// begin begins a transaction that may write in c.
func (f *fixture) begin(change func(*transaction.Spec)) dbclient.TxnID {
	s := transaction.Spec{Database: "db", Collections: map[string]transaction.Access{"c": transaction.Write}, Implicit: true}
	change(&s)
	status, err := f.m.Begin(context.Background(), s)
	require.NoError(f.t, err)
	require.Equal(f.t, "running", status.State)
	return status.ID
}

// keyOn is a key of a document on a shard.
func keyOn(shard, shards, n int) string {
	for i := 0; ; i++ {
		key := "k" + strconv.Itoa(i)
		if route.ShardIndex(key, shards) == shard-1 {
			if n--; n < 0 {
				return key
			}
		}
	}
}

// do applies operations in a transaction.
func (f *fixture) do(id dbclient.TxnID, ops ...dbclient.Op) ([]dbclient.OpResult, error) {
	ctx, leave, err := f.m.Join(context.Background(), "db", id)
	if err != nil {
		return nil, err
	}
	defer leave()
	snap := f.catalog.Cached()
	coll, err := snap.Find("db", "c")
	if err != nil {
		return nil, err
	}
	out, err := f.router.Documents(ctx, route.Request{Ref: route.Ref{Database: "db", Name: "c"}, Snapshot: snap, Collection: coll, Ops: ops})
	if err != nil {
		return nil, err
	}
	for _, r := range out.Results {
		if r.Error != nil {
			return out.Results, r.Error
		}
	}
	return out.Results, nil
}

func (f *fixture) write(id dbclient.TxnID, key, value string) error {
	_, err := f.do(id, dbclient.Op{Kind: dbclient.OpReplace, Key: key, Document: json.RawMessage(value)})
	return err
}

func (f *fixture) read(id dbclient.TxnID, key string) (string, error) {
	r, err := f.do(id, dbclient.Op{Kind: dbclient.OpRead, Key: key})
	if err != nil {
		return "", err
	}
	return string(r[0].New), nil
}

func (f *fixture) commit(id dbclient.TxnID) error {
	_, err := f.m.Commit(context.Background(), "db", id)
	return err
}

func (f *fixture) state(id dbclient.TxnID) string {
	s, err := f.m.Status("db", id)
	require.NoError(f.t, err)
	return s.State
}

// stored is what a shard shows to everybody.
func (w *world) stored(shard, key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shards[shard].docs[key]
}

// count is how often servers were asked something.
func (w *world) count(prefix string) (n int) {
	for _, call := range w.calls() {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}
