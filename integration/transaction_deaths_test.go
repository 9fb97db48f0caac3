//go:build failpoints

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	dbclient "stasis/dbserver/client"
	"stasis/fault"
	"stasis/internal/failpoint"
)

// A death is a moment of a transaction on two shards at which servers lose their power: when the coordinator has done a step, or
// when a request of it is lost, or its answer.
type death struct {
	moment string
	step   string        // of the coordinator; "": when what follows is met
	lost   fault.Message // of the coordinator, from the moment on at which it has prepared nothing
	sure   bool          // it is committed then, whoever dies
}

func deaths() []death {
	message := func(do fault.MessageFault, path string) fault.Message {
		return fault.Message{From: "coordinator-1", Path: path, Do: do, By: time.Second, Times: 1}
	}
	decide, resolve := dbclient.PathPrefix+"/shards/*/txn/decide", dbclient.PathPrefix+"/shards/*/txn/resolve"
	return []death{
		{moment: "written"}, // all operations, and the commit is not asked for
		{moment: "begun", step: "begun"},
		{moment: "entered", step: "entered"},
		{moment: "prepare arrives", lost: message(fault.LoseAnswer, dbclient.PathPrefix+"/shards/*/txn/prepare")},
		{moment: "prepared", step: "prepared"},
		{moment: "decide is lost", lost: message(fault.LoseRequest, decide)},
		{moment: "decide arrives", lost: message(fault.LoseAnswer, decide), sure: true},
		{moment: "decided", step: "decided", sure: true},
		{moment: "resolve arrives", lost: message(fault.LoseAnswer, resolve), sure: true},
		{moment: "resolved", step: "resolved", sure: true},
		{moment: "forgotten", step: "forgotten", sure: true},
	}
}

// Whoever dies at whatever step: a transaction is on both of its shards or on none, as its client was told. It ends while the
// dead are down, unless all are, its locks are free then, and a backup is made when they are back.
func TestDeathsInTransactions(t *testing.T) {
	for name, victims := range map[string]func(mortal) []string{
		"coordinator":      func(mortal) []string { return []string{"coordinator-1"} },
		"home's leader":    func(m mortal) []string { return []string{m.home} },
		"other's leader":   func(m mortal) []string { return []string{m.other} },
		"follower of both": func(m mortal) []string { return []string{m.follower} },
		"all DB servers":   func(m mortal) []string { return []string{m.home, m.other, m.follower} },
		"coordinator and home's leader": func(m mortal) []string {
			return []string{"coordinator-1", m.home}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 7, func(b *bubble) {
				for _, shard := range []string{"left", "right"} {
					require.NoError(b.t, createReplicated(b.t.Context(), b.clients[0], shard, 1, 3, 1))
				}
				for n, d := range deaths() {
					b.t.Logf("%v: %s", time.Now().Format("15:04:05.000"), d.moment)
					b.heal()
					m := mortal{bubble: b, death: d, key: fmt.Sprint("k", n)}
					m.lead(n)
					m.die(victims)
				}
			})
		})
	}
}

// mortal is one transaction in which servers die.
type mortal struct {
	*bubble
	death
	key                   string
	home, other, follower string // the leader of left, that of right, and who leads neither
}

// lead finds out who leads the shards. If one server leads both, the leadership of one is moved first.
func (m *mortal) lead(n int) {
	m.t.Helper()
	for {
		leaders := map[string]string{}
		for _, collection := range []string{"left", "right"} {
			all, err := m.clients[1].Shards(m.t.Context(), client.ShardsQuery{})
			require.NoError(m.t, err)
			for _, s := range all {
				if s.Collection == collection {
					leaders[collection] = m.names[s.Leader]
				}
			}
		}
		m.home, m.other = leaders["left"], leaders["right"]
		require.NotEmpty(m.t, m.home)
		require.NotEmpty(m.t, m.other)
		if m.home != m.other {
			break
		}
		m.crash(m.other, n) // another leads, of both perhaps: then again
		m.await(2*time.Minute, func() error { return m.served(m.t.Context()) })
		m.restart(m.other)
		m.heal()
	}
	for _, s := range m.servers() {
		if s != m.home && s != m.other {
			m.follower = s
		}
	}
}

func (m mortal) die(choose func(mortal) []string) {
	t, ctx := m.t, m.t.Context()
	victims := choose(m)
	trx, err := m.clients[0].Database("").Begin(ctx, client.TransactionOptions{Write: []string{"left", "right"}})
	require.NoError(t, err)
	for _, shard := range []string{"left", "right"} { // the first that it writes is its home
		require.NoError(t, trx.Database().Put(ctx, shard, map[string]any{"_key": m.key}))
	}
	reached, goOn := m.arm()
	outcome := make(chan error, 1)
	if m.moment != "written" {
		go func() { outcome <- trx.Commit(ctx) }()
		select {
		case <-reached:
		case <-time.After(time.Minute):
			require.Fail(t, "the moment did not come", m.moment)
		}
	}
	for _, v := range victims {
		m.crash(v, 0)
	}
	goOn()
	if m.moment == "written" {
		go func() { outcome <- trx.Commit(ctx) }()
	}
	told := <-outcome
	if len(victims) > 2 {
		m.revive(victims)
	}
	there := m.ended()
	t.Logf("%s, %v die: client was told %v, and it is there: %v", m.moment, victims, told, there)
	switch {
	case told == nil || m.sure:
		require.True(t, there, "%s: it was committed: %v", m.moment, told)
	case !errors.Is(told, client.ErrUnknownOutcome):
		require.False(t, there, "%s: it was said not to be committed: %v", m.moment, told)
	}
	if len(victims) <= 2 {
		m.revive(victims)
	}
	m.heal()
	require.Equal(t, there, m.ended(), "%s: it is what it was", m.moment)
	r, err := m.clients[1].Backups().Create(ctx, client.CreateRequest{LockMode: client.LockModeTransactions})
	require.NoError(t, err, "%s: no gate is held any more", m.moment)
	require.False(t, r.PotentiallyInconsistent)
}

// arm has the transaction stop at the moment, until goOn.
func (m mortal) arm() (reached <-chan struct{}, goOn func()) {
	at, on := make(chan struct{}), make(chan struct{})
	if m.step != "" {
		var once bool
		restore := failpoint.Set("coordinator/transaction/step", m.step, func(ctx context.Context, _ string) error {
			if once {
				return nil
			}
			once = true
			close(at)
			select {
			case <-on:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		return at, func() { close(on); restore() }
	}
	if m.lost.Path == "" {
		close(at)
		return at, func() {}
	}
	lost := m.met(m.Network().Message(m.lost))
	go func() {
		for lost.Met() == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond) // what arrived is done
		close(at)
	}()
	return at, lost.End
}

func (m mortal) revive(victims []string) {
	m.t.Helper()
	for _, v := range victims {
		require.NoError(m.t, m.Start(m.t.Context(), v))
	}
	m.await(2*time.Minute, func() error { return m.served(m.t.Context()) })
}

// ended waits until the transaction has ended on both shards, and its locks are free, and says whether its documents are there.
func (m mortal) ended() (there bool) {
	m.t.Helper()
	db := m.clients[1].Database("")
	found := map[string]bool{}
	for _, shard := range []string{"left", "right"} {
		m.await(3*time.Minute, func() error {
			ctx, cancel := context.WithTimeout(m.t.Context(), 15*time.Second)
			defer cancel()
			err := db.Read(ctx, client.Ref{Collection: shard, Key: m.key}, nil)
			found[shard] = err == nil
			if errors.Is(err, client.ErrNotFound) {
				err = nil
			}
			return err
		})
	}
	require.Equal(m.t, found["left"], found["right"], "%s: it is torn", m.moment)
	for _, shard := range []string{"left", "right"} { // leaves it as it is
		m.await(3*time.Minute, func() error {
			ctx, cancel := context.WithTimeout(m.t.Context(), 15*time.Second)
			defer cancel()
			if found[shard] {
				return db.Put(ctx, shard, map[string]any{"_key": m.key})
			}
			if err := db.Remove(ctx, client.Ref{Collection: shard, Key: m.key}); !errors.Is(err, client.ErrNotFound) {
				return fmt.Errorf("the lock of what is not there: %w", err)
			}
			return nil
		})
	}
	return found["left"]
}
