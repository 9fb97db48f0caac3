package minicluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

// short is a life that ends by itself.
type short struct {
	over  chan struct{}
	once  sync.Once
	err   error
	clean bool
}

func (s *short) pid() int                   { return 0 }
func (s *short) done() <-chan struct{}      { return s.over }
func (s *short) failure() error             { return s.err }
func (s *short) asked() bool                { return s.clean }
func (s *short) stop(context.Context) error { s.end(); return s.err }
func (s *short) kill()                      { s.end() }
func (s *short) pause() error               { return nil }
func (s *short) resume() error              { return nil }
func (s *short) paused() bool               { return false }
func (s *short) end()                       { s.once.Do(func() { close(s.over) }) }

// mortals is a cluster of one node that lives for as long as it is told, each time it is started.
type mortals struct {
	*Cluster
	n      *node
	lives  []time.Duration // the last one again and again; 0: it cannot be started
	clean  bool
	starts []time.Duration // since the beginning
	now    *short
	timers sync.WaitGroup
}

func newMortals(t *testing.T, revive bool, lives ...time.Duration) *mortals {
	m := &mortals{lives: lives}
	m.Cluster = &Cluster{
		options: Options{Degraded: true, Revive: revive, Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output()})}, servers: &members{}, old: true,
		release: func() error { return nil },
	}
	began := time.Now()
	m.n = &node{name: "agent-1", role: datadir.Agent, report: m.fault, wake: make(chan struct{}, 1)}
	m.n.launch = func(_ context.Context, n *node) (running, error) {
		m.starts = append(m.starts, time.Since(began))
		life := m.lives[0]
		if len(m.lives) > 1 {
			m.lives = m.lives[1:]
		}
		if life == 0 {
			return nil, errors.New("its directory is damaged")
		}
		s := &short{over: make(chan struct{}), err: errors.New("died"), clean: m.clean}
		m.now = s
		m.timers.Go(func() {
			timer := time.NewTimer(life)
			defer timer.Stop()
			select {
			case <-timer.C:
				s.end()
				n.ended(errors.New("agent-1 died"))
			case <-s.over:
			}
		})
		return s, nil
	}
	m.servers.add(m.n)
	m.prepare()
	return m
}

const forEver = 1000 * time.Hour

// TestReviveWithPauses: who dies again and again is started with growing pauses, up to a
// minute; who has lived for long after the first one.
func TestReviveWithPauses(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		const s = time.Second
		m := newMortals(t, true, 10*s, s, 0, s, s, s, s, s, s, 2*time.Minute, forEver)
		require.NoError(t, m.n.start(t.Context()))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []time.Duration{
			0, 11 * s, 14 * s, 18 * s, 27 * s, 44 * s, 77 * s, 138 * s, 199 * s, 260 * s, 381 * s,
		}, m.starts)
		require.True(t, m.n.alive())
		require.Empty(t, m.n.describe().Broken)
		require.ErrorContains(t, m.Stop(t.Context()), "agent-1: died", "what it ends with is told")
		m.timers.Wait()
	})
}

// TestStoppedStaysDown: what was stopped on purpose is not started again, whenever that was.
func TestStoppedStaysDown(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		for name, end := range map[string]func(m *mortals){
			"killed while it runs":    func(m *mortals) { require.NoError(t, m.Kill("agent-1")) },
			"killed during the pause": func(m *mortals) { m.dies(); require.NoError(t, m.Kill("agent-1")) },
			"told to end":             func(m *mortals) { m.now.clean = true; m.dies() },
			"all killed":              func(m *mortals) { m.KillAll() },
			"stopped":                 func(m *mortals) { m.dies(); _ = m.Stop(t.Context()) },
			"removed":                 func(m *mortals) { m.dies(); m.n.mu.Lock(); m.n.gone = true; m.n.mu.Unlock() },
		} {
			m := newMortals(t, true, forEver)
			require.NoError(t, m.n.start(t.Context()))
			synctest.Wait()
			end(m)
			time.Sleep(time.Hour)
			_ = m.Stop(t.Context()) // what it ends with is told elsewhere
			m.timers.Wait()
			require.Len(t, m.starts, 1, "%s: it is started again", name)
		}
	})
}

// dies ends the node by itself, and waits until the revival has seen that.
func (m *mortals) dies() {
	m.now.end()
	m.n.ended(errors.New("agent-1 died"))
	synctest.Wait()
}

// TestNotRevivedUnasked: without the option a server that died stays down, and that is reported, at the
// end too.
func TestNotRevivedUnasked(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := newMortals(t, false, time.Second)
		require.NoError(t, m.n.start(t.Context()))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, m.starts, 1)
		require.Equal(t, "died", m.n.describe().Broken)
		require.ErrorContains(t, <-m.Err(), "agent-1 died")
		require.ErrorContains(t, m.Stop(t.Context()), "died")
		m.timers.Wait()
	})
}

// damage is what is done to a server, and what is reported of it.
type damage struct {
	what string
	do   func(t *testing.T, o Options, name string)
	says string
}

func damages() []damage {
	return []damage{
		{"a corrupt directory", func(t *testing.T, o Options, name string) {
			require.NoError(t, os.WriteFile(filepath.Join(o.Dir, name, "STASIS"), []byte("nonsense"), 0o600))
		}, "STASIS"},
		{"a lost log", func(t *testing.T, o Options, name string) {
			require.NoError(t, os.RemoveAll(filepath.Join(o.Dir, name, "raft-log")))
		}, "raft-log"},
	}
}

// TestStartsWithAMajority: one broken agent does not keep the cluster from starting, and is
// named; two do, and both are.
func TestStartsWithAMajority(t *testing.T) {
	t.Parallel()
	for name, mode := range modes {
		for _, d := range damages() {
			t.Run(name+"/"+d.what, func(t *testing.T) {
				t.Parallel()
				o := options(t, mode)
				o.Agents, o.DBServers, o.Coordinators = 3, 0, 0
				c := start(t, o)
				require.NoError(t, c.Stop(t.Context()))
				o.Degraded = true
				d.do(t, o, "agent-2")
				c = start(t, o)
				agents, _, _ := c.Nodes()
				require.Contains(t, agents[1].Broken, d.says)
				require.Empty(t, agents[0].Broken+agents[2].Broken)
				alive, of, _ := c.Alive()
				require.Equal(t, "2 of 3", fmt.Sprintf("%d of %d", alive, of))
				b := browse(t)
				require.Equal(t, `[{}]`, strings.TrimSpace(b.must("POST", agents[0].URL+"/_api/agency/read", `[["/x"]]`)))
				require.Error(t, c.Stop(t.Context()), "a cluster with a broken server does not end well")

				d.do(t, o, "agent-3")
				c, err := Start(t.Context(), o)
				if err == nil { // processes are started before they end
					err = c.Ready(t.Context())
					_ = c.Stop(t.Context()) // what it says is in err
				}
				require.ErrorContains(t, err, "1 of 3 agents run, 2 are needed")
				require.ErrorContains(t, err, "agent-2: ")
				require.ErrorContains(t, err, "agent-3: ")
			})
		}
	}
}

// TestPortOfOneIsTaken: an agent of an old cluster whose port another program has is broken,
// and comes back by itself when the port is free, if that is asked for.
func TestPortOfOneIsTaken(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	o.Agents, o.DBServers, o.Coordinators = 3, 0, 0
	c := start(t, o)
	require.NoError(t, c.Stop(t.Context()))
	taken, err := network.TCP().Listen(c.servers.agents[1].at.address)
	require.NoError(t, err)
	o.Degraded, o.Revive = true, true
	c = start(t, o)
	agents, _, _ := c.Nodes()
	require.Contains(t, agents[1].Broken, "address already in use")
	require.Contains(t, <-c.News(), "agent-2 is started again in 1s")
	require.NoError(t, taken.Close())
	for text := ""; text != "agent-2 was started again"; {
		select {
		case text = <-c.News():
		case <-time.After(time.Minute):
			t.Fatal("it is not started again")
		}
	}
	require.NoError(t, c.Stop(t.Context()), "all run")
}

// TestChildIsRevived: a child that was killed is started again; one that was told to end, by
// a signal too, stays down.
func TestChildIsRevived(t *testing.T) {
	t.Parallel()
	o := options(t, Processes)
	o.Agents, o.DBServers, o.Coordinators, o.Revive = 3, 0, 0, true
	c := start(t, o)
	agents, _, _ := c.Nodes()
	signal := func(s os.Signal) {
		child, err := os.FindProcess(agents[1].PID)
		require.NoError(t, err)
		require.NoError(t, child.Signal(s))
		require.ErrorContains(t, <-c.Err(), "agent-2")
	}
	signal(syscall.SIGKILL)
	require.Equal(t, "agent-2 is started again in 1s", <-c.News())
	require.Equal(t, "agent-2 was started again", <-c.News())
	require.NoError(t, c.Ready(t.Context()))
	before := agents[1].PID
	agents, _, _ = c.Nodes()
	require.NotEqual(t, before, agents[1].PID)
	signal(syscall.SIGTERM)
	require.Equal(t, "agent-2 ended with status 0, so it was told to end: it stays down", <-c.News())
	agents, _, _ = c.Nodes()
	require.Zero(t, agents[1].PID)
	require.Empty(t, agents[1].Broken)
	require.ErrorContains(t, c.Stop(t.Context()), "agent-2: ended by itself: exit status 0", "it is named also in the end")
}

// TestStartsWithoutADBServer: one broken DB server is named, and the others start; without any
// there is no cluster.
func TestStartsWithoutADBServer(t *testing.T) {
	t.Parallel()
	o := options(t, InProcess)
	c := start(t, o)
	require.NoError(t, c.Stop(t.Context()))
	o.Degraded = true
	damages()[0].do(t, o, "dbserver-2")
	c = start(t, o)
	_, dbservers, coordinators := c.Nodes()
	require.Empty(t, dbservers[0].Broken+coordinators[0].Broken)
	require.Contains(t, dbservers[1].Broken, "STASIS")
	require.ErrorContains(t, c.Stop(t.Context()), "dbserver-2")
	damages()[0].do(t, o, "dbserver-1")
	_, err := Start(t.Context(), o)
	require.ErrorContains(t, err, "0 of 2 DB servers run, 1 are needed")
	require.ErrorContains(t, err, "dbserver-1: ")
	require.ErrorContains(t, err, "dbserver-2: ")
}

// TestReadyWithoutTheLate: a server that runs and does not get ready is named in the end, and the
// others are a cluster; a start that is interrupted is not ready.
func TestReadyWithoutTheLate(t *testing.T) {
	simulate(t, func(t *testing.T, c *Cluster, m *fault.Network, _ browser) {
		c.options.Degraded, c.old = true, true // as if it had been there before
		m.Freeze("agent-3")
		defer m.HealAll()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, c.Ready(ctx))
		agents, _, _ := c.Nodes()
		require.Contains(t, agents[2].Broken, "it runs, and is not ready")
		require.Empty(t, agents[0].Broken+agents[1].Broken)

		m.Freeze("agent-2")
		late, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.ErrorContains(t, c.Ready(late), "no agent leads")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Ready(gone), context.Canceled)
	})
}
