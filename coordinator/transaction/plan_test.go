package transaction_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/fsm"
)

// plan is the agency's tree, which a test sets: the leaders of the shards s1, s2, … of collection c, and the epoch.
type plan struct {
	mu     sync.Mutex
	latest agencyclient.Snapshot
	fail   error // of Sync
}

func (p *plan) Snapshot() agencyclient.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

func (p *plan) Sync(context.Context) (agencyclient.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest, p.fail
}

func (p *plan) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		if s := p.Snapshot(); ok(s) {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return p.Snapshot(), ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

const (
	me    = "CRDN-1"
	other = "CRDN-2"
)

// become makes Plan have the shards at these leaders: none for a shard that is dropped.
func (p *plan) become(t require.TestingT, epoch uint64, leaders ...string) {
	coll := keys.Collection{ID: "10", Name: "c", ShardKeys: []string{"_key"}, Shards: map[string][]string{}, ShardTerms: map[string]uint64{}}
	fixed := keys.Collection{ID: "11", Name: "d", ShardKeys: []string{"_key"}, Shards: map[string][]string{"s90": {"A"}}}
	servers, known, registered := map[string]string{}, map[string]keys.Known{}, map[string]keys.Registered{}
	for i, leader := range leaders {
		if leader == "" {
			continue
		}
		coll.Shards[keys.ShardName(uint64(i+1))] = []string{leader}
	}
	for _, s := range []string{"A", "B", "C"} {
		servers[s], known[s], registered[s] = "none", keys.Known{Epoch: epoch}, keys.Registered{Endpoint: "tcp://" + strings.ToLower(s)}
	}
	raw, err := json.Marshal(map[string]any{"arango": map[string]any{
		"Plan": map[string]any{
			"Version": 1, "DBServers": servers, "Coordinators": map[string]string{me: "none", other: "none"},
			"Databases":   map[string]any{"db": keys.Database{Name: "db"}, "else": keys.Database{Name: "else"}},
			"Collections": map[string]any{"db": map[string]any{coll.ID: coll, fixed.ID: fixed}},
		},
		"Current": map[string]any{"ServersKnown": known, "ServersRegistered": registered},
		"Target":  map[string]any{"MapUniqueToShortID": map[string]any{me: keys.ShortID{TransactionID: 1, ShortName: "Coordinator0001"}, other: keys.ShortID{TransactionID: 2, ShortName: "Coordinator0002"}}},
		"Sync":    map[string]any{"HotBackupRestoreDone": epoch},
	}})
	require.NoError(t, err)
	root, err := fsm.Parse(raw)
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = agencyclient.Snapshot{Index: p.latest.Index + 1, Root: root}
}

func catalogOf(p *plan) *catalog.Catalog {
	return catalog.New(catalog.Options{AgencyTimeout: time.Second, Cache: p, Logger: hclog.NewNullLogger()})
}
