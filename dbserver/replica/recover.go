package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// errReplaced ends a tenure: Plan has another leader, another term, or no such shard.
var errReplaced = errors.New("another leader or term is planned")

// recover makes this replica's log the longest of all that may have to be believed,
// and begins to lead with it.
func (l *Leader) recover(ctx context.Context) error {
	at, err := l.look(ctx)
	if err != nil {
		return err
	}
	members := l.members(at)
	answers, err := l.ask(ctx, at, members)
	if err != nil {
		return err
	}
	if err := l.believe(at, members, answers); err != nil {
		return err
	}
	if err := l.catchUp(ctx, at, answers); err != nil {
		return err
	}
	if err := l.shard.Lead(l.tenure, l, len(members) == 0); err != nil {
		return err
	}
	st := l.shard.State()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.mu.Lock()
	l.committed, l.committing, l.current = st.Committed, st.Committed, at.report
	l.feedAll(members)
	for _, id := range members {
		if f := l.feeds[id]; f != nil { // nil: closing
			f.required, f.reported = true, at.report.Reboots[id]
		}
	}
	l.mu.Unlock()
	l.become(joining)
	return nil
}

// askFor is how long a new leader waits for the answers of those who live. It asks
// again if it needs more of them.
const askFor = time.Second

// promiseItself has this replica promise its own tenure. If a later one is on its disk that
// Plan never had (see Follower.overrule), that one does not count.
func (l *Leader) promiseItself(ctx context.Context) error {
	st, err := l.shard.Promise(l.tenure)
	if !errors.Is(err, shard.ErrOldTenure) {
		return err
	}
	at, looked := l.look(ctx) // newer than the promise
	if looked != nil {
		return looked
	}
	l.mu.Lock()
	p := l.place
	l.mu.Unlock()
	if t, _, found := plannedTenure(at.root, at.root.At(p.planKey()), p.Shard); !found || t != l.tenure {
		return err
	}
	l.log.Error("a promise is overruled that Plan never had a tenure for", "promised", st.Promised, "Plan", l.tenure)
	_, err = l.shard.Overrule(st.Promised, l.tenure)
	return err
}

// ask has the members promise this tenure. Who does not answer is missing; who has
// promised a later one ends this one. Servers that have been given up are asked only if
// they could know more.
func (l *Leader) ask(ctx context.Context, at situation, members []string) (map[string]dbclient.ReplicaAnswer, error) {
	if err := l.promiseItself(ctx); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	answers, old := map[string]dbclient.ReplicaAnswer{}, error(nil)
	ctx, cancel := context.WithTimeout(ctx, min(askFor, l.server.Timing.Call))
	defer cancel()
	for _, id := range members {
		if at.failed(id) && l.trusted(at) {
			continue // nothing can be learned from it, and it may cost the whole time to ask
		}
		wg.Go(func() {
			a, err := l.promise(ctx, at.root, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				l.log.Debug("no promise", "server", id, "error", err)
			case a.Refused == dbclient.RefusedOld:
				old = fmt.Errorf("%s: %s: %w", id, a.Why, shard.ErrOldTenure)
			default:
				answers[id] = a
			}
		})
	}
	wg.Wait()
	return answers, old
}

func (l *Leader) promise(ctx context.Context, root *agencyclient.Node, id string) (dbclient.ReplicaAnswer, error) {
	t, err := l.target(root, id)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	return l.server.Peers.Promise(ctx, t, l.shard.Name(), tenureOf(l.tenure))
}

// target is where a server is reached.
func (l *Leader) target(root *agencyclient.Node, id string) (dbclient.Target, error) {
	endpoint := root.At(keys.ServerRegistered(id) + "/endpoint").Text()
	address, ok := strings.CutPrefix(endpoint, "tcp://")
	if !ok {
		return dbclient.Target{}, fmt.Errorf("server %s is not registered with an address", id)
	}
	return dbclient.Target{URL: "http://" + address, Epoch: l.server.Epoch}, nil
}

// trusted says whether this replica's own log has every acknowledged record.
func (l *Leader) trusted(at situation) bool {
	st := l.shard.State()
	return at.trusts(l.server.ID, l.tenure.Reboot) && at.whole(st.Last, st.Copying)
}

// believe says whether some log that was seen has every acknowledged record. Where the
// report trusts no server, all have to be heard, and one that has FAILED is none that may
// be left out unless a leader has reported: it may be the only one that has everything.
func (l *Leader) believe(at situation, members []string, answers map[string]dbclient.ReplicaAnswer) error {
	if l.trusted(at) || failpoint.Off("recover-believes") {
		return nil
	}
	for id, a := range answers {
		if at.trusts(id, a.RebootID) && at.whole(fromPosition(a.State.Last), a.State.Copying) {
			return nil
		}
	}
	if p, certified := at.certified(); certified {
		return fmt.Errorf("backup %s has the shard up to %s, and none of %v, which were in sync at its cut, has answered with that: waiting for one of them",
			at.report.Restored.BackupID, p, at.report.Servers)
	}
	l.mu.Lock()
	building := l.place.Building
	l.mu.Unlock()
	if !at.exists && building && l.shard.State().Last == (shard.Position{}) {
		return nil // nothing has ever been written
	}
	var missing []string
	for _, id := range members {
		_, answered := answers[id]
		if !answered && (!at.failed(id) || !at.exists || at.report.Restored != nil) {
			missing = append(missing, id)
		}
	}
	switch {
	case len(missing) > 0 && (!at.exists || at.report.Restored != nil):
		return fmt.Errorf("it is not known who had every acknowledged record: all replicas have to be heard first, waiting for %v", missing)
	case len(missing) > 0:
		return fmt.Errorf("records may be missing here that %v has acknowledged: waiting for it, or for the supervision to give it up", missing)
	}
	return nil
}

// catchUp takes over the longest log; after a restore that knows where the shard stood at
// the cut, that is one which ends just there.
func (l *Leader) catchUp(ctx context.Context, at situation, answers map[string]dbclient.ReplicaAnswer) error {
	mine := l.shard.State()
	best, from := mine.Last, ""
	if p, certified := at.certified(); certified && best.Compare(p) > 0 {
		return fmt.Errorf("this replica ends at %s, beyond what backup %s has: %s", best, at.report.Restored.BackupID, p)
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		st := answers[id].State
		if fromPosition(st.Last).Tenure.Compare(l.tenure) > 0 { // no leader can have numbered it
			l.log.Error("a replica ends with a record of a tenure that Plan never had: it is not believed", "server", id, "ends", fromPosition(st.Last))
			continue
		}
		if p := fromPosition(st.Last); at.whole(p, st.Copying) && (p.Compare(best) > 0 || mine.Copying && from == "") {
			best, from = p, id
		}
	}
	if mine.Copying && from == "" {
		return fmt.Errorf("this replica is an unfinished copy, and no other answers")
	}
	if from == "" {
		return nil
	}
	if mine.Copying {
		return fmt.Errorf("this replica is an unfinished copy of the one on %s", from)
	}
	l.log.Info("taking over the longer log", "of", from, "up to", best, "own", mine.Last)
	if mine.Committed >= best.Seq {
		return nil
	}
	last, err := l.meet(ctx, at.root, from, mine.Committed+1, min(mine.Last.Seq+1, best.Seq))
	for err == nil && last < best.Seq {
		last, err = l.take(ctx, at.root, from, last+1)
	}
	if err != nil {
		return fmt.Errorf("take over the log of %s: %w", from, err)
	}
	return nil
}

// meet takes some records of another replica's log, which begin between low and high, and
// gives the number of the last. What is before low is committed here, so it is there, too; but
// that log may not reach back to it any more. Then the search is for a place where it still does
// and this log is the same: what is before that is the same in both.
func (l *Leader) meet(ctx context.Context, root *agencyclient.Node, from string, low, high uint64) (last uint64, err error) {
	for at := low; low <= high; at = low + (high-low)/2 {
		last, err = l.take(ctx, root, from, at)
		switch {
		case errors.Is(err, errGone):
			low = at + 1
		case errors.Is(err, shard.ErrGap):
			high = at - 1
		default:
			return last, err
		}
	}
	return 0, err
}

// errGone answers take for a record that has been cut from the other log.
var errGone = errors.New("the log no longer reaches back to it")

// take fetches records of another replica's log, from a number on, and makes them
// this one's. It gives the number of the last.
func (l *Leader) take(ctx context.Context, root *agencyclient.Node, from string, next uint64) (last uint64, err error) {
	t, err := l.target(root, from)
	if err != nil {
		return 0, err
	}
	ctx, cancel := l.call(ctx)
	defer cancel()
	r, err := l.server.Peers.Log(ctx, t, l.shard.Name(), dbclient.LogRequest{From: next})
	if err != nil {
		return 0, err
	}
	records, err := decodeRecords(r.Prev.Seq, r.Records)
	if err != nil {
		return 0, err
	}
	if r.Gone || len(records) == 0 {
		return 0, fmt.Errorf("record %d: %w", next, errGone)
	}
	_, err = l.shard.Accept(shard.Batch{Tenure: l.tenure, Prev: fromPosition(r.Prev), Records: records})
	return next + uint64(len(records)) - 1, err
}
