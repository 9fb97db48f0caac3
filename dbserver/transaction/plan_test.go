package transaction

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/fsm"
	"stasis/internal/apierror"
)

// behind is a cache that learns by Sync.
type behind struct{ has, learns *agencyclient.Node }

func (b behind) Snapshot() agencyclient.Snapshot { return agencyclient.Snapshot{Root: b.has} }

func (b behind) Sync(context.Context) (agencyclient.Snapshot, error) {
	return agencyclient.Snapshot{Root: b.learns}, nil
}

func tree(t *testing.T, arango string) *agencyclient.Node {
	t.Helper()
	root, err := fsm.Parse(json.RawMessage(`{"arango":` + arango + `}`))
	require.NoError(t, err)
	return root
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	e, err := engine.Open("engine", engine.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	s, err := store.Open(e, &shard.Clock{}, replica.Home{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(apierror.New(apierror.ShuttingDown, "the test ends"))) })
	return s
}

// askable is another server: it answers with an outcome, or an error.
type askable func(url string) (string, error)

func (a askable) Ask(_ context.Context, t dbclient.Target, _ string, _ dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error) {
	outcome, err := a(t.URL)
	return dbclient.TxnAskResponse{Outcome: outcome}, err
}

func (a askable) Resolve(context.Context, dbclient.Target, string, dbclient.TxnResolveRequest) error {
	return nil
}

var home = dbclient.TxnShard{Database: "d", Collection: "9", Shard: "s1"}

const registered = `"Current":{"ServersKnown":{"PRMR-A":{},"PRMR-B":{},"PRMR-C":{},"CRDN-1":{}},"ServersRegistered":{"PRMR-A":{"endpoint":"tcp://a:1"},"PRMR-B":{"endpoint":"tcp://b:1"},"PRMR-C":{"endpoint":"tcp://c:1"}}}`

// A tree that lacks a shard may be behind: another is asked for before the shard is taken for dropped.
func TestDroppedIsCertain(t *testing.T) {
	s := openStore(t)
	planned := tree(t, `{"Plan":{"Collections":{"d":{"9":{"shards":{"s1":["_PRMR-B","PRMR-A"]}}}}},`+registered+`}`)
	x := homes{id: "PRMR-A", cache: behind{has: tree(t, `{"Plan":{},`+registered+`}`), learns: planned}, patience: time.Second}
	server, _, err := x.planned(t.Context(), s, home)
	require.NoError(t, err, "it is taken for dropped")
	require.Equal(t, "PRMR-B", server)

	x.cache = behind{has: planned, learns: tree(t, `{"Plan":{},"Sync":{"HotBackupRestoreDone":4},`+registered+`}`)}
	_, _, err = x.planned(t.Context(), s, dbclient.TxnShard{Database: "d", Collection: "9", Shard: "s2"})
	require.ErrorContains(t, err, "epoch 0 is being replaced", "a restored Plan is no reason")
	x.cache = behind{has: planned, learns: tree(t, `{`+registered+`}`)}
	_, _, err = x.planned(t.Context(), s, dbclient.TxnShard{Database: "d", Collection: "9", Shard: "s2"})
	require.ErrorContains(t, err, "no Plan")
}

// When the home is dropped everybody is asked who has not FAILED. One that knows is enough; one that does not answer may be the one.
func TestEverybodyIsAskedForADroppedHome(t *testing.T) {
	s := openStore(t)
	none := apierror.New(apierror.ShardGone, "none here")
	for name, c := range map[string]struct {
		health string
		b, c   func() (string, error)
		commit bool
		fails  bool
	}{
		"nobody has it":    {b: func() (string, error) { return "", none }, c: func() (string, error) { return "", none }},
		"aborted":          {b: func() (string, error) { return dbclient.TxnAbortedAs, nil }, c: func() (string, error) { return "", none }},
		"committed":        {b: func() (string, error) { return "", none }, c: func() (string, error) { return dbclient.TxnCommitted, nil }, commit: true},
		"one is silent":    {b: func() (string, error) { return "", apierror.New(apierror.ConnectionLost, "lost") }, c: func() (string, error) { return "", none }, fails: true},
		"one leads it yet": {b: func() (string, error) { return "", apierror.New(apierror.NotLeader, "soon") }, c: func() (string, error) { return "", none }, fails: true},
		"one has FAILED": {health: `,"Supervision":{"Health":{"PRMR-B":{"Status":"FAILED"}}}`,
			b: func() (string, error) { return "", apierror.New(apierror.ConnectionLost, "lost") }, c: func() (string, error) { return "", none }},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, `{"Plan":{},`+registered+c.health+`}`)
			x := homes{id: "PRMR-A", cache: behind{root, root}, patience: time.Second, peers: askable(func(url string) (string, error) {
				return map[string]func() (string, error){"http://b:1": c.b, "http://c:1": c.c}[url]()
			}), own: func(context.Context, *store.Store, string, dbclient.TxnAskRequest) (dbclient.TxnAskResponse, error) {
				return dbclient.TxnAskResponse{}, none
			}}
			commit, err := x.outcome(t.Context(), s, home, 7)
			require.Equal(t, c.fails, err != nil, "%v", err)
			require.Equal(t, c.commit, commit)
		})
	}
}
