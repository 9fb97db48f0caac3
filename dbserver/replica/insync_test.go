package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
)

// newReport is the report that a transaction writes, if it writes one.
func newReport(t tester, tx agencyclient.Tx) (c keys.CurrentShardReport, ok bool) {
	raw, err := tx.Encode("")
	require.NoError(t, err)
	var parts []json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &parts))
	var ops map[string]struct{ New json.RawMessage }
	require.NoError(t, json.Unmarshal(parts[0], &ops))
	op, ok := ops[currentKey]
	if ok {
		require.NoError(t, json.Unmarshal(op.New, &c))
	}
	return c, ok
}

// lagging has the follower B miss what is committed: it has all records in its log, but
// the leader's log no longer reaches back to what B has applied. From the call on
// nothing that would tell B more arrives.
func lagging(r *room) {
	r.t.Helper()
	hold := make(chan struct{})
	r.wire.plays(func(m message) fate {
		if m.to == "B" && m.kind == "accept" && len(m.accept.Records) > 0 {
			return fate{hold: hold}
		}
		return fate{}
	})
	stored := make(chan error, 2)
	for _, d := range []map[string]string{docs("first", 1), docs("lagging", 99)} {
		r.group.Go(func() { stored <- r.put("A", d) })
		synctest.Wait() // all are numbered, and the first is on its way to B
	}
	close(hold)
	require.NoError(r.t, errors.Join(<-stored, <-stored))
	r.wire.plays(func(m message) fate { return fate{lost: m.to == "B" && m.kind == "accept"} })
	require.EqualValues(r.t, 1, r.process("B").shard.State().Committed)
}

// outrun gives the replicas a log that lagging outruns.
func outrun(r *room) { r.retention = shard.Retention{Entries: 20, Bytes: 1 << 20} }

// A copy empties the follower first, so it is not sent before the report that leaves the
// follower out is known to be written, however long that takes.
func TestNoCopyToMemberOfTheInSyncSet(t *testing.T) {
	inRoom(t, outrun, func(t *testing.T, r *room) {
		r.process("A").door.answerWrites(func(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
			r.rest(2 * time.Second)
			return r.agency.Apply(tx)
		})
		early := copiesToMember(r, "B")
		lagging(r)
		require.NoError(t, r.put("A", docs("more", 50)), "waits for the report, no longer")
		r.process("A").door.answerWrites(nil)
		r.wire.plays(nil)
		r.inSync("A", "B")
		r.alike("A", "B")
		require.Positive(t, r.wire.count(func(m message) bool { return m.kind == "copy" }))
		require.Empty(t, early())
	}, "A", "B")
}

// The same for a follower whose report as in sync is written, but not known to be.
func TestNoCopyToPossibleMemberOfTheInSyncSet(t *testing.T) {
	inRoom(t, outrun, func(t *testing.T, r *room) {
		r.stop("B")
		r.inSync("A")
		written, known := make(chan struct{}), make(chan struct{})
		r.process("A").door.answerWrites(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
			index, err := r.agency.Apply(tx)
			if c, ok := newReport(r.t, tx); ok && err == nil && c.Names("B") {
				close(written)
				r.until(known)
			}
			return index, err
		})
		r.start("B")
		<-written
		early := copiesToMember(r, "B")
		lagging(r)
		pending := make(chan error, 1)
		r.group.Go(func() { pending <- r.put("A", docs("more", 50)) })
		time.Sleep(time.Second)
		require.True(t, r.report().Names("B"))
		require.Empty(t, early(), "B may be chosen for what it has")
		require.True(t, r.process("A").leads().state.isCopying("B"), "only a copy helps it")
		r.process("A").door.answerWrites(nil)
		close(known)
		require.NoError(t, <-pending)
		r.wire.plays(nil)
		r.inSync("A", "B")
		r.alike("A", "B")
		require.Empty(t, early())
	}, "A", "B")
}

func (s *state) isCopying(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followers[id].copying
}

// copiesToMember lists, from now on, the parts of copies that are sent to a server while
// Current has it as in sync.
func copiesToMember(r *room, id string) func() []string {
	var mu sync.Mutex
	var early []string
	r.wire.watches(func(m message) {
		if c := r.report(); m.kind == "copy" && m.to == id && c.Names(id) {
			mu.Lock()
			defer mu.Unlock()
			early = append(early, fmt.Sprintf("%+v", c))
		}
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(early)
	}
}

// A report whose outcome is unknown cannot be written after one that followed it, though
// that says what Current said before (A, then B, then A again): reports are numbered.
func TestLateReportIsNotWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		r.stop("B")
		r.inSync("A")
		before := r.report()
		var mu sync.Mutex
		var late *agencyclient.Tx
		r.process("A").door.answerWrites(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
			if c, ok := newReport(r.t, tx); !ok || !c.Names("B") {
				return r.agency.Apply(tx)
			}
			r.wire.plays(func(message) fate { return fate{lost: true} }) // B is gone
			mu.Lock()
			defer mu.Unlock()
			if late == nil {
				late = &tx
				return 0, fmt.Errorf("lost on the way: %w", agencyclient.ErrUnknown)
			}
			return 0, agencyclient.ErrUnavailable
		})
		r.start("B")
		r.eventually("the report that takes B in is on its way", func() bool { mu.Lock(); defer mu.Unlock(); return late != nil })
		require.NoError(t, r.put("A", docs("alone", 1)), "the follower is let go of")
		require.Equal(t, before.Servers, r.report().Servers)
		require.Equal(t, before.Reboots, r.report().Reboots)
		_, err := r.agency.Apply(*late)
		require.ErrorIs(t, err, agencyclient.ErrPrecondition, "B would be in sync without what was acknowledged")
		require.NoError(t, r.everywhere([]string{"alone0000"}))
		r.process("A").door.answerWrites(nil)
		r.wire.plays(nil)
		r.inSync("A", "B")
		r.alike("A", "B")
	}, "A", "B")
}

// Between the decision that a record is committed and its being so, the leader does not
// take back into trust a follower that was started again without it: the decision counted
// on what the process before had.
func TestFollowerStartedAnewDuringACommit(t *testing.T) {
	var deciding, decided chan struct{}
	var armed uint64
	var mu sync.Mutex
	arm := func(seq uint64) { mu.Lock(); armed = seq; mu.Unlock() }
	prepare := func(r *room) {
		deciding, decided = make(chan struct{}), make(chan struct{})
		r.setUp = func(l *Leader) {
			l.batch = 1000
			commit := l.commits.apply
			l.commits.apply = func(seq uint64) (uint64, error) {
				mu.Lock()
				now := armed != 0 && seq >= armed
				mu.Unlock()
				if now {
					arm(0)
					close(deciding)
					r.until(decided)
				}
				return commit(seq)
			}
		}
	}
	inRoom(t, prepare, func(t *testing.T, r *room) {
		time.Sleep(time.Second)                                                             // nothing is unsynced, and what is written now is not for a while
		big := map[string]string{"big": fmt.Sprintf(`{"v":%q}`, strings.Repeat("x", 1000))} // fills a request
		last := r.process("A").shard.Seq() + 2
		arm(last)
		toC := make(chan struct{})
		r.wire.plays(func(m message) fate {
			if m.to == "C" && m.kind == "accept" && len(m.accept.Records) > 0 {
				return fate{hold: toC}
			}
			return fate{}
		})
		stored := make(chan error, 2)
		for _, d := range []map[string]string{big, docs("last", 1)} {
			r.group.Go(func() { stored <- r.put("A", d) })
			synctest.Wait()
		}
		require.Equal(t, last, r.process("B").shard.Seq())
		close(toC)
		<-deciding // all three have the record
		toB := make(chan struct{})
		r.wire.plays(func(m message) fate {
			if m.to == "B" && m.kind == "accept" && len(m.accept.Records) > 0 && m.accept.Prev.Seq+1 == last {
				return fate{hold: toB}
			}
			return fate{}
		})
		before := r.report()
		r.crash("B", 0, 0)
		r.start("B")
		require.Less(t, r.process("B").shard.Seq(), last, "it has lost what it had not synced")
		r.eventually("B has all but the last record", func() bool { return r.process("B").shard.Seq() == last-1 })
		time.Sleep(time.Second)
		require.Equal(t, before, r.report(), "B is in sync as it was, but not trusted as it is")
		close(decided)
		require.NoError(t, errors.Join(<-stored, <-stored))
		close(toB)
		r.wire.plays(nil)
		r.inSync("A", "B", "C")
		r.alike("A", "B", "C")
	}, "A", "B", "C")
}
