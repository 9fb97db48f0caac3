package replica

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/internal/bubbles"
)

const (
	database   = "_system"
	collection = "100"
	theShard   = "s101"
)

var (
	planKey    = keys.PlanCollection(database, collection)
	currentKey = keys.CurrentShard(database, collection, theShard)
)

// tester is what testing.T and rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
	Failed() bool
	Logf(string, ...any)
}

// room is an agency, one shard, and servers that have a replica of it each: real
// replicas on disks in memory, real leaders, and a wire between them that does what
// the test says. It lives in a bubble.
type room struct {
	t         tester
	agency    *agencytest.Agency
	wire      *wire
	retention shard.Retention
	setUp     func(*Leader) // called with each leader before it starts; may be nil
	group     sync.WaitGroup
	closing   chan struct{}

	mu        sync.Mutex
	story     bytes.Buffer
	disks     map[string]*vfs.MemFS
	processes map[string]*process
}

// newRoom plans the shard on these servers, the first leading in term 1, and starts none.
func newRoom(t tester, ids ...string) *room {
	r := &room{
		t: t, agency: agencytest.New(), retention: shard.DefaultRetention, closing: make(chan struct{}),
		disks: map[string]*vfs.MemFS{}, processes: map[string]*process{},
	}
	r.wire = &wire{room: r}
	ops := map[string]any{
		keys.PlanVersion: 1, keys.CurrentVersion: 1, keys.RestoreEpoch: 0,
		planKey: keys.Collection{
			ID: collection, Name: "c", Shards: map[string][]string{theShard: ids}, ShardTerms: map[string]uint64{theShard: 1},
			ReplicationFactor: len(ids), WriteConcern: 1,
		},
	}
	for _, id := range ids {
		r.disks[id] = vfs.NewCrashableMem()
		ops[keys.ServerRegistered(id)] = keys.Registered{Endpoint: "tcp://" + id}
		ops[keys.ServerHealth(id)] = keys.HealthEntry{Status: keys.StatusGood}
		ops[keys.ServerKnown(id)] = keys.Known{}
	}
	r.write(ops)
	return r
}

// inBubble runs a test in a room with these servers, all started and in sync.
func inBubble(t *testing.T, test func(*testing.T, *room), ids ...string) {
	t.Helper()
	inRoom(t, func(*room) {}, test, ids...)
}

// inRoom is inBubble with a room that is prepared before any server is started.
func inRoom(t *testing.T, prepare func(*room), test func(*testing.T, *room), ids ...string) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		r := newRoom(t, ids...)
		defer r.close()
		prepare(r)
		for _, id := range ids {
			r.start(id)
		}
		r.inSync(ids...)
		test(t, r)
	})
}

// close ends everything; a goroutine that is left over fails the bubble.
func (r *room) close() {
	defer func() {
		if r.t.Failed() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Logf("%s", r.story.String())
		}
	}()
	close(r.closing)
	for _, id := range r.up() {
		r.stop(id)
	}
	r.group.Wait()
}

// Write adds to the story; processes log into it.
func (r *room) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.story.Write(b)
}

func (r *room) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(r, "%s [TEST]  "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05.000")}, args...)...)
}

// rest lets time pass; false if the room is closing.
func (r *room) rest(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.closing:
		return false
	}
}

// until waits for a channel; false if the room is closing.
func (r *room) until(c <-chan struct{}) bool {
	if c == nil {
		return true
	}
	select {
	case <-c:
		return true
	case <-r.closing:
		return false
	}
}

func (r *room) write(ops map[string]any) {
	r.t.Helper()
	_, err := r.agency.Apply(agencyclient.Tx{Ops: ops})
	require.NoError(r.t, err)
}

func (r *room) report() (c keys.CurrentShardReport) {
	_ = r.agency.At(currentKey).Decode(&c) // missing: zero
	return c
}

func (r *room) planned() (servers []string, term uint64) {
	plan := r.agency.At(planKey)
	require.NoError(r.t, plan.At("shards/"+theShard).Decode(&servers))
	n, _ := plan.At("shardTerms/" + theShard).Int()
	return servers, uint64(n)
}

// plan gives the shard other servers, or another term.
func (r *room) plan(term uint64, servers ...string) {
	r.t.Helper()
	r.write(map[string]any{planKey + "/shards/" + theShard: servers, planKey + "/shardTerms/" + theShard: term, keys.PlanVersion: agencyclient.Increment(1)})
}

// rebootOf is what the agency knows of a server.
func (r *room) rebootOf(id string) uint64 {
	n, _ := r.agency.At(keys.ServerKnown(id) + "/rebootId").Int()
	return uint64(n)
}

// eventually waits, in the bubble's time, until something is so.
func (r *room) eventually(what string, ok func() bool) {
	r.t.Helper()
	for range 300 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	var states []string
	for _, id := range r.up() {
		states = append(states, fmt.Sprintf("%s: %+v", id, r.process(id).shard.State()))
	}
	require.Fail(r.t, "never came true", "%s\nCurrent: %+v\n%s", what, r.report(), strings.Join(states, "\n"))
}

// inSync waits until Current has just these servers, as they were started last.
func (r *room) inSync(ids ...string) {
	r.t.Helper()
	r.eventually(fmt.Sprint("in sync: ", ids), func() bool {
		c := r.report()
		return slices.Equal(c.Servers, ids) && !slices.ContainsFunc(ids, func(id string) bool { return c.Reboots[id] != r.rebootOf(id) })
	})
}

// alike waits until these replicas have the same documents.
func (r *room) alike(ids ...string) {
	r.t.Helper()
	var seen []string
	r.eventually("replicas are alike", func() bool {
		seen = nil
		for _, id := range ids {
			sum, st, err := r.process(id).shard.Checksum(context.Background())
			require.NoError(r.t, err)
			seen = append(seen, fmt.Sprintf("%016x %s %d of %d copying %v", sum, st.Last, st.Count, st.Committed, st.Copying))
		}
		return len(slices.Compact(slices.Clone(seen))) == 1
	})
}
