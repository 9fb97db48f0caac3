package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// process is one run of a server.
type process struct {
	room   *room
	id     string
	reboot uint64
	env    shard.Env
	shard  *shard.Shard
	obeys  *Follower
	door   *door
	died   chan struct{}
	inside sync.WaitGroup // requests in flight, counted while up
	stop   context.CancelFunc
	loops  sync.WaitGroup

	mu     sync.Mutex
	up     bool
	leader *Leader
}

// process is the server's process that runs now; nil if none does.
func (r *room) process(id string) *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.processes[id]
}

func (r *room) up() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.processes))
}

// start starts a server on its disk: it has a new reboot id before it says anything.
func (r *room) start(id string) *process {
	r.t.Helper()
	r.write(map[string]any{keys.ServerKnown(id) + "/rebootId": agencyclient.Increment(1)})
	e, err := engine.Open("engine", engine.Options{FS: r.disks[id], CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(r.t, err)
	clock := &shard.Clock{}
	require.NoError(r.t, clock.Attach(shard.StoreIn(e)))
	env := shard.Env{Engine: e, Clock: clock, Retention: r.retention}
	s, err := shard.Create(env, theShard)
	require.NoError(r.t, err)
	p := &process{room: r, id: id, reboot: r.rebootOf(id), env: env, shard: s, door: newDoor(r.agency), died: make(chan struct{}), up: true}
	p.obeys = NewFollower(Home{ID: id, Reboot: func() uint64 { return p.reboot }, Cache: p.door, Logger: p.server().Logger}, s)
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.loops.Go(func() { p.door.follow(ctx) })
	p.loops.Go(func() { p.follow(ctx) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.processes[id] = p
	return p
}

// stop stops a server; everything is on its disk.
func (r *room) stop(id string) {
	r.t.Helper()
	r.end(id, func(disk *vfs.MemFS) *vfs.MemFS { return disk })
}

// crash stops a server and takes from its disk what it had not synced, or a part of that.
func (r *room) crash(id string, survives int, seed uint64) {
	r.t.Helper()
	r.end(id, func(disk *vfs.MemFS) *vfs.MemFS { return crashed(disk, survives, seed) })
}

// crashed is what a power cut leaves of a disk, with so many percent of what was not synced.
func crashed(disk *vfs.MemFS, survives int, seed uint64) *vfs.MemFS {
	return disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survives, RNG: rand.New(rand.NewPCG(seed, 7))})
}

// end ends a process. left is what its disk has when nothing happens there any more, but
// before the engine is closed.
func (r *room) end(id string, left func(*vfs.MemFS) *vfs.MemFS) {
	r.t.Helper()
	p := r.process(id)
	p.mu.Lock()
	p.up = false
	p.mu.Unlock()
	close(p.died)
	p.stop()
	p.loops.Wait()
	if p.leader != nil {
		p.leader.Close()
	}
	p.inside.Wait()
	r.disks[id] = left(r.disks[id])
	require.NoError(r.t, p.env.Clock.Detach())
	require.NoError(r.t, p.env.Engine.Close())
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.processes, id)
}

// enter counts a request in, unless the process is gone.
func (p *process) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up {
		p.inside.Add(1)
	}
	return p.up
}

// follow makes this process lead when Plan says so, as package dbserver does.
func (p *process) follow(ctx context.Context) {
	for last := uint64(0); ctx.Err() == nil; {
		look, cancel := context.WithTimeout(ctx, time.Second) // now and then without a change
		s, _ := p.door.Wait(look, func(s agencyclient.Snapshot) bool { return s.Index > last })
		cancel()
		if last = s.Index; ctx.Err() == nil {
			p.assign(s.Root)
		}
	}
}

func (p *process) assign(root *agencyclient.Node) {
	var c keys.Collection
	require.NoError(p.room.t, root.At(planKey).Decode(&c))
	place := Place{
		Database: database, Collection: collection, Shard: theShard, Term: c.ShardTerms[theShard], Servers: c.Shards[theShard],
		WriteConcern: c.WriteConcern, Building: c.IsBuilding,
	}
	l, leads := p.leads(), place.Leader() == p.id
	switch {
	case l != nil && leads && l.Tenure().Term == place.Term && !l.Over():
		l.Update(place)
		return
	case l != nil:
		l.Close()
	}
	l = nil
	if leads {
		l = newLeader(p.server(), p.shard, place)
		if p.room.setUp != nil {
			p.room.setUp(l)
		}
		l.start()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leader = l
}

// leads is this process's leader; nil if it is none.
func (p *process) leads() *Leader {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leader
}

func (p *process) server() Server {
	log := hclog.New(&hclog.LoggerOptions{Name: p.id, Output: p.room, Level: hclog.Debug, TimeFormat: "15:04:05.000"})
	return Server{
		ID: p.id, Reboot: func() uint64 { return p.reboot }, Agency: p.door, Cache: p.door, Peers: end{p.room.wire, p.id},
		Lease: func() error { return nil }, Enter: func(context.Context) (func(), error) { return func() {}, nil },
		Inherit: func(context.Context, *shard.Shard, shard.Tenure) error { return nil }, Ended: func(string, shard.Tenure) {},
		Sync: p.env.Engine.SyncAll, Logger: log, Timing: Timing{}.WithDefaults(),
	}
}

// documents does operations as a client of this process.
func (p *process) documents(ctx context.Context, ops ...dbclient.Op) ([]dbclient.OpResult, error) {
	if !p.enter() {
		return nil, apierror.New(apierror.NotLeader, "%s is down", p.id)
	}
	defer p.inside.Done()
	l := p.leads()
	if l == nil {
		return nil, apierror.New(apierror.NotLeader, "%s does not lead", p.id)
	}
	if err := l.Serving(); err != nil {
		return nil, err
	}
	return p.shard.Documents(ctx, dbclient.DocumentsRequest{Collection: "c", Ops: ops})
}

// put stores documents. Once they are acknowledged, every server that the agency has as in
// sync has them.
func (r *room) put(id string, docs map[string]string) error {
	p := r.process(id)
	if p == nil {
		return apierror.New(apierror.NotLeader, "%s is down", id)
	}
	var ops []dbclient.Op
	for _, key := range slices.Sorted(maps.Keys(docs)) {
		ops = append(ops, dbclient.Op{Kind: dbclient.OpInsert, Key: key, Document: json.RawMessage(docs[key])})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	results, err := p.documents(ctx, ops...)
	if err != nil {
		return err
	}
	for _, res := range results {
		if res.Error != nil {
			return res.Error
		}
	}
	return r.everywhere(slices.Sorted(maps.Keys(docs)))
}

var errNotEverywhere = errors.New("acknowledged, but not on every member of the in-sync set")

// everywhere says whether all members of the in-sync set that run since they were taken
// into it have these documents, in their log or applied.
func (r *room) everywhere(names []string) error {
	for {
		before := r.agency.At(currentKey)
		var c keys.CurrentShardReport
		if err := before.Decode(&c); err != nil {
			return fmt.Errorf("read Current: %w", err)
		}
		var lacks []string
		for _, id := range c.Servers {
			id = strings.TrimPrefix(id, keys.Resigned)
			p := r.process(id)
			if p == nil || p.reboot != c.Reboots[id] {
				continue
			}
			for _, name := range names {
				if has, err := p.has(name); err == nil && !has {
					lacks = append(lacks, id+" lacks "+name)
				}
			}
		}
		switch {
		case len(lacks) == 0:
			return nil
		case before == r.agency.At(currentKey): // else a member may have been taken out meanwhile
			return fmt.Errorf("%w: %v, %+v", errNotEverywhere, lacks, c)
		}
	}
}

// has says whether a document is in the replica's log, or applied.
func (p *process) has(key string) (bool, error) {
	if !p.enter() {
		return false, errWire
	}
	defer p.inside.Done()
	_, records, ok, err := p.shard.Log(p.shard.State().Committed+1, 1<<30)
	if err != nil {
		return false, err
	}
	for _, rec := range records {
		if ok && slices.ContainsFunc(rec.Changes, func(c shard.Change) bool { return c.Key == key }) {
			return true, nil
		}
	}
	got, err := p.shard.Documents(context.Background(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: key}}})
	return err == nil && got[0].Error == nil, err
}

// docs are n documents with these keys.
func docs(prefix string, n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprintf("%s%04d", prefix, i)] = fmt.Sprintf(`{"n":%d}`, i)
	}
	return all
}
