package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// outcome is what a client knows of a write.
type outcome int

const (
	unknown outcome = iota
	applied
	refused // not applied
)

// model is a room in which anything may happen, and what its clients know.
type model struct {
	*room
	servers []string
	bad     network

	mu       sync.Mutex
	outcomes map[string]outcome
	wrong    []error
	written  int
	crashes  uint64

	backups []taken
}

// network is how badly messages and writes to the agency fare, in percent.
type network struct {
	mu                          sync.Mutex
	random                      *rand.Rand
	lost, silent, late, again   int
	unwritten, unknown, overdue int
	cut                         map[[2]string]bool // from, to
}

func (n *network) chance(percent int) bool { return n.random.IntN(100) < percent }

// delay is some time that other things happen in.
func (n *network) delay() time.Duration { return time.Duration(n.random.IntN(3000)) * time.Millisecond }

// fate is the script of the wire.
func (n *network) fate(m message) (f fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f.lost = n.cut[[2]string{m.from, m.to}] || n.chance(n.lost)
	f.silent = n.cut[[2]string{m.to, m.from}] || n.chance(n.silent)
	if n.chance(n.late) {
		f.after = n.delay()
	}
	if n.chance(n.again) {
		f.again = n.delay()
	}
	return f
}

// heals has everything arrive from now on.
func (n *network) heals() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost, n.silent, n.late, n.again, n.unwritten, n.unknown, n.overdue = 0, 0, 0, 0, 0, 0, 0
	clear(n.cut)
}

// written is how a process's write to the agency fares: it fails, its outcome is unknown, or
// it comes late, when its writer no longer waits for it. late is nil unless it does.
func (n *network) written() (applies bool, late time.Duration, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.chance(n.unwritten):
		return false, 0, agencyclient.ErrUnavailable
	case n.chance(n.overdue):
		return true, 1 + n.delay(), agencyclient.ErrUnknown
	case n.chance(n.unknown):
		return true, 0, agencyclient.ErrUnknown
	}
	return true, 0, nil
}

// launch starts a server behind the bad network.
func (m *model) launch(id string) {
	p := m.start(id)
	p.door.answerWrites(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
		applies, late, err := m.bad.written()
		switch {
		case !applies:
			return 0, err
		case late > 0:
			m.group.Go(func() {
				select {
				case <-time.After(late):
					_, _ = m.agency.Apply(tx) // no caller waits for its answer
				case <-p.died: // the connection with it
				case <-m.closing:
				}
			})
			return 0, err
		}
		index, refusal := m.agency.Apply(tx)
		if err != nil {
			return 0, err
		}
		return index, refusal
	})
}

// trusted are the servers that run and have every acknowledged write, as Current says.
func (m *model) trusted() (ids []string) {
	c := m.report()
	for _, id := range c.Servers {
		if id = strings.TrimPrefix(id, keys.Resigned); m.process(id) != nil && c.Trusts(id, m.rebootOf(id)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// store begins a write of a new document at a server, whether it leads or not, and notes in the
// background what comes of it.
func (m *model) store(id string, batch int) {
	m.written++
	docs := docs(fmt.Sprintf("k%04d-", m.written), batch)
	serving := m.report().Term // a leader has begun to serve in it
	m.group.Go(func() {
		err := m.put(id, docs)
		m.mu.Lock()
		defer m.mu.Unlock()
		for key := range docs {
			m.outcomes[key] = m.outcomeOf(err)
		}
		switch {
		case errors.Is(err, errNotEverywhere):
			m.wrong = append(m.wrong, err)
		case err == nil && m.tenureOf(id).Term < serving:
			m.wrong = append(m.wrong, fmt.Errorf("%s acknowledged %v after another had begun to serve in term %d", id, slices.Sorted(maps.Keys(docs)), serving))
		}
	})
}

// tenureOf is the one in which a server leads, or led last.
func (m *model) tenureOf(id string) shard.Tenure {
	if p := m.process(id); p != nil && p.leads() != nil {
		return p.leads().Tenure()
	}
	return shard.Tenure{Term: math.MaxUint64} // it cannot be told any more
}

func (m *model) outcomeOf(err error) outcome {
	if err == nil || errors.Is(err, errNotEverywhere) {
		return applied
	}
	switch apierror.From(err).Num { // not errors.Is: an unknown outcome may have one of these as its cause
	case apierror.NotLeader, apierror.NoLeader, apierror.ReadOnly:
		return refused
	}
	return unknown
}

// failover names another leader as the supervision does: one that has everything.
func (m *model) failover(to string) {
	servers, term := m.planned()
	rest := slices.DeleteFunc(slices.Clone(servers[1:]), func(s string) bool { return s == to })
	old := strings.TrimPrefix(servers[0], keys.Resigned)
	report, reboots := m.agency.At(currentKey), m.report().Reboots
	if m.report().Restored != nil { // whenever it was started
		reboots = map[string]uint64{to: m.rebootOf(to)}
	}
	_, err := m.agency.Apply(agencyclient.Tx{
		Ops: map[string]any{
			planKey + "/shards/" + theShard:     slices.Concat([]string{to}, rest, []string{old}),
			planKey + "/shardTerms/" + theShard: term + 1,
			keys.PlanVersion:                    agencyclient.Increment(1),
		},
		Pre: map[string]any{
			currentKey:                          agencyclient.Exactly(report),
			planKey + "/shards/" + theShard:     agencyclient.Old(servers),
			planKey + "/shardTerms/" + theShard: agencyclient.Old(term),
			keys.ServerKnown(to) + "/rebootId":  agencyclient.Old(reboots[to]),
		},
	})
	m.tell("failover from %s to %s in term %d: %v", old, to, term+1, err)
}

// resign asks the leader to stop, or to go on.
func (m *model) resign() {
	servers, term := m.planned()
	changed := slices.Clone(servers)
	if id, resigned := strings.CutPrefix(servers[0], keys.Resigned); resigned {
		changed[0] = id
	} else {
		changed[0] = keys.Resigned + id
	}
	m.tell("plan %v", changed)
	m.plan(term, changed...)
}

// halt stops a server. If that leaves another one with everything, it loses what it had not
// synced.
func (m *model) halt(id string, survives int) {
	m.crashes++
	m.end(id, func(disk *vfs.MemFS) *vfs.MemFS {
		if slices.ContainsFunc(m.trusted(), func(other string) bool { return other != id }) {
			m.tell("crash of %s", id)
			return crashed(disk, survives, m.crashes)
		}
		m.tell("stop of %s", id)
		return disk
	})
}

// check demands what holds at any time.
func (m *model) check(t *rapid.T) {
	m.mu.Lock()
	wrong := slices.Clone(m.wrong)
	m.mu.Unlock()
	require.NoError(t, errors.Join(wrong...))
}

// backup makes one of this moment, as a coordinator does: if a leader serves, no write is
// in flight, and if all that it states to be in sync have what it states.
func (m *model) backup() {
	b, unserved := m.cut()
	if unserved != "" {
		m.tell("no backup: %s", unserved)
		return
	}
	for _, id := range b.statement.InSync {
		if !b.holds(m.t, id) {
			require.NotEqual(m.t, b.servers[0], id, "the leader does not have what it states")
			m.tell("no backup: %s has just been started", id)
			return
		}
	}
	m.tell("backup at %v of %v, in sync %v", b.statement.Last, b.keys, b.statement.InSync)
	m.backups = append(m.backups, b)
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, o := range m.outcomes {
		require.True(m.t, o != applied || slices.Contains(b.keys, key), "%s was acknowledged and is not in the state at the cut", key)
	}
}

// restoreOne restores a backup: from now on there is what there was at its cut, and if the
// backup says who was in sync, nothing else. Some servers come back at once.
func (m *model) restoreOne(t *rapid.T) {
	b := rapid.SampledFrom(m.backups).Draw(t, "backup")
	known := rapid.SampledFrom([]bool{true, true, true, false}).Draw(t, "known")
	m.restore(b, map[string]string{"A": "A", "B": "B", "C": "C"}, known)
	synctest.Wait() // all that waited for an answer have one
	m.mu.Lock()
	for key := range m.outcomes {
		switch {
		case slices.Contains(b.keys, key):
			m.outcomes[key] = applied
		case known:
			m.outcomes[key] = refused
		default: // the longest log may have it
			m.outcomes[key] = unknown
		}
	}
	m.mu.Unlock()
	for _, id := range m.servers {
		if rapid.SampledFrom([]bool{true, true, false}).Draw(t, "starts") {
			m.launch(id)
		}
	}
	passes(t, 3000)
}

// converge has everything work again, and demands that all replicas come to the same content,
// which has all that was acknowledged and nothing that was refused.
func (m *model) converge(t *rapid.T) {
	m.tell("converge")
	m.bad.heals()
	for _, id := range m.servers {
		if m.process(id) == nil {
			m.launch(id)
		}
		m.process(id).door.hold(false)
	}
	if servers, term := m.planned(); strings.HasPrefix(servers[0], keys.Resigned) {
		m.plan(term, slices.Concat([]string{strings.TrimPrefix(servers[0], keys.Resigned)}, servers[1:])...)
	}
	time.Sleep(time.Minute) // what was on its way has arrived or is lost
	servers, _ := m.planned()
	m.inSync(servers...)
	require.NoError(t, m.put(servers[0], docs("converged", 1)))
	m.alike(servers...)
	m.check(t)
	page, err := m.process(servers[0]).shard.Scan(context.Background(), dbclient.ScanRequest{Limit: 1 << 20})
	require.NoError(t, err)
	found := map[string]bool{}
	for _, d := range page.Documents {
		key, _, _ := strings.Cut(strings.TrimPrefix(string(d), `{"_key":"`), `"`)
		found[key] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, o := range m.outcomes {
		require.True(t, found[key] || o != applied, "%s was acknowledged and is lost", key)
		require.False(t, found[key] && o == refused, "%s was refused and is there", key)
	}
	for _, id := range servers {
		require.NoError(t, m.process(id).shard.Check(context.Background()))
	}
}

// newModel is a room of three servers in sync, behind a network that becomes bad only now.
func newModel(t *rapid.T) *model {
	m := &model{room: newRoom(t, "A", "B", "C"), servers: []string{"A", "B", "C"}, outcomes: map[string]outcome{}}
	m.retention = shard.Retention{Entries: rapid.SampledFrom([]uint64{16, 100_000}).Draw(t, "retention"), Bytes: 1 << 20}
	m.bad.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	m.bad.cut = map[[2]string]bool{}
	m.wire.plays(m.bad.fate)
	for _, id := range m.servers {
		m.launch(id)
	}
	return m
}

// worsens draws how bad the network is.
func (m *model) worsens(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 0, 0, 5, 20})
	m.bad.mu.Lock()
	defer m.bad.mu.Unlock()
	for _, p := range []*int{&m.bad.lost, &m.bad.silent, &m.bad.late, &m.bad.again, &m.bad.unwritten, &m.bad.unknown, &m.bad.overdue} {
		*p = percent.Draw(t, "percent")
	}
}

// toggles cuts what one server sends to another, or heals that.
func (m *model) toggles(from, to string) {
	m.bad.mu.Lock()
	defer m.bad.mu.Unlock()
	pair := [2]string{from, to}
	m.bad.cut[pair] = !m.bad.cut[pair]
	m.tell("cut %v: %v", pair, m.bad.cut[pair])
}

// passes lets some time go by, often none.
func passes(t *rapid.T, most int) {
	time.Sleep(time.Duration(max(0, rapid.IntRange(-most/4, most).Draw(t, "ms"))) * time.Millisecond)
}

// Whatever happens to messages, to reports, to servers and to leaderships: a write that is
// acknowledged is on every member of the in-sync set, one whose tenure is over acknowledges
// nothing, and in the end all replicas are in sync and have the same content, with all that
// was acknowledged.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bubbles.Rapid(t, func(t *rapid.T) {
			m := newModel(t)
			defer m.close()
			m.inSync(m.servers...)
			m.worsens(t)
			server := rapid.SampledFrom(m.servers)
			survives := rapid.SampledFrom([]int{0, 0, 50, 100}) // percent of what was not synced
			t.Repeat(map[string]func(*rapid.T){
				"write": func(t *rapid.T) {
					servers, _ := m.planned()
					m.store(strings.TrimPrefix(servers[0], keys.Resigned), rapid.SampledFrom([]int{1, 1, 5, 40}).Draw(t, "documents"))
					passes(t, 200)
				},
				"write anywhere": func(t *rapid.T) { m.store(server.Draw(t, "where"), 1) },
				"time":           func(t *rapid.T) { passes(t, 5000) },
				"network":        m.worsens,
				"cut":            func(t *rapid.T) { m.toggles(server.Draw(t, "from"), server.Draw(t, "to")) },
				"watch": func(t *rapid.T) {
					if p := m.process(server.Draw(t, "whose")); p != nil {
						p.door.hold(rapid.Bool().Draw(t, "held"))
					}
				},
				"stop or start": func(t *rapid.T) {
					if id := server.Draw(t, "who"); m.process(id) != nil {
						m.halt(id, survives.Draw(t, "survives"))
					} else {
						m.launch(id)
					}
					passes(t, 3000)
				},
				"restart": func(t *rapid.T) {
					servers, _ := m.planned()
					id := rapid.SampledFrom([]string{strings.TrimPrefix(servers[0], keys.Resigned), server.Draw(t, "who")}).Draw(t, "leader or any")
					if m.process(id) != nil {
						m.halt(id, survives.Draw(t, "survives"))
						m.launch(id)
						passes(t, 3000)
					}
				},
				"another leader": func(t *rapid.T) {
					servers, _ := m.planned()
					able := slices.DeleteFunc(m.trusted(), func(id string) bool { return id == strings.TrimPrefix(servers[0], keys.Resigned) })
					if len(able) > 0 {
						m.failover(rapid.SampledFrom(able).Draw(t, "who"))
					}
				},
				"resign": func(*rapid.T) { m.resign() },
				"a stranger asks": func(t *rapid.T) {
					if p := m.process(server.Draw(t, "whom")); p != nil {
						m.strange(p, rapid.SampledFrom([]uint64{0, 1, 1 << 40, math.MaxUint64 - 100}).Draw(t, "terms ahead"), rapid.IntRange(0, 2).Draw(t, "what"))
					}
				},
				"backup": func(t *rapid.T) { m.backup() },
				"restore": func(t *rapid.T) {
					if len(m.backups) > 0 {
						m.restoreOne(t)
					}
				},
				"another leader where none is trusted": func(t *rapid.T) {
					servers, _ := m.planned()
					if id := server.Draw(t, "who"); m.report().Unsure() && id != strings.TrimPrefix(servers[0], keys.Resigned) {
						m.failover(id)
					}
				},
				"": m.check,
			})
			m.converge(t)
		})
	})
}
