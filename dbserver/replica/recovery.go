package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// recovery makes this replica's log the longest of all that may have every acknowledged
// record, before the replica leads with it.
type recovery struct {
	*base
	state     *state
	snapshots snapshots
}

// run does one attempt. It returns what the agency has, and the servers that may have
// acknowledged records: the leader commits nothing without them before its first report.
func (r recovery) run(ctx context.Context) (at snapshot, members []string, err error) {
	if at, err = r.snapshots.latest(ctx); err != nil {
		return at, nil, err
	}
	members = r.snapshots.members(at)
	answers, err := r.ask(ctx, at, members)
	if err != nil {
		return at, nil, err
	}
	if err := r.believe(at, members, answers); err != nil {
		return at, nil, err
	}
	return at, members, r.takeOver(ctx, at, answers)
}

// askFor is how long one attempt waits for answers. The next attempt asks again if more of
// them are needed.
const askFor = time.Second

// promiseItself has this replica promise its own tenure. A later promise on its disk that
// Plan never had a tenure for does not count (see admission.overrule).
func (r recovery) promiseItself(ctx context.Context) error {
	st, err := r.shard.Promise(r.tenure)
	if !errors.Is(err, shard.ErrOldTenure) {
		return err
	}
	at, looked := r.snapshots.latest(ctx) // read after the promise: it has every tenure that could ask for it
	if looked != nil {
		return looked
	}
	p := r.state.planned()
	if t, _, found := plannedTenure(at.root, at.root.At(p.planKey()), p.Shard); !found || t != r.tenure {
		return err
	}
	r.log.Error("a promise is overruled that Plan never had a tenure for", "promised", st.Promised, "Plan", r.tenure)
	_, err = r.shard.Overrule(st.Promised, r.tenure)
	return err
}

// ask has the members promise this tenure. A member that does not answer is missing from the
// result; one that has promised a later tenure ends this one.
func (r recovery) ask(ctx context.Context, at snapshot, members []string) (map[string]dbclient.ReplicaAnswer, error) {
	if err := r.promiseItself(ctx); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	answers, old := map[string]dbclient.ReplicaAnswer{}, error(nil)
	ctx, cancel := context.WithTimeout(ctx, min(askFor, r.server.Timing.Call))
	defer cancel()
	for _, id := range members {
		if at.failed(id) && r.trusted(at) {
			continue // this log has everything, and a FAILED server may cost all of askFor
		}
		wg.Go(func() {
			a, err := r.promise(ctx, at.root, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				r.log.Debug("no promise", "server", id, "error", err)
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

// trusted says whether this replica's own log has every acknowledged record.
func (r recovery) trusted(at snapshot) bool {
	st := r.shard.State()
	return at.trusts(r.server.ID, r.tenure.Reboot) && at.whole(st.Last, st.Copying)
}

// believe is nil if one of the logs that were seen has every acknowledged record. Where the
// report trusts no server, all members must answer. A FAILED one may be left out only if a
// leader has reported: before that it may be the only one that has everything.
func (r recovery) believe(at snapshot, members []string, answers map[string]dbclient.ReplicaAnswer) error {
	if r.trusted(at) || failpoint.Off("recover-believes") {
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
	if !at.exists && r.state.planned().Building && r.shard.State().Last == (shard.Position{}) {
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

// takeOver makes the longest log this replica's. After a restore that knows where the shard
// stood at the cut, that is a log which ends just there.
func (r recovery) takeOver(ctx context.Context, at snapshot, answers map[string]dbclient.ReplicaAnswer) error {
	mine := r.shard.State()
	best, from := mine.Last, ""
	if p, certified := at.certified(); certified && best.Compare(p) > 0 {
		return fmt.Errorf("this replica ends at %s, beyond what backup %s has: %s", best, at.report.Restored.BackupID, p)
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		st := answers[id].State
		if fromPosition(st.Last).Tenure.Compare(r.tenure) > 0 { // it comes from no leader: tenures only rise
			r.log.Error("a replica ends with a record of a tenure that Plan never had: it is not believed", "server", id, "ends", fromPosition(st.Last))
			continue
		}
		// The longest log has everything that any of them has acknowledged: logs that share a
		// record share everything before it.
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
	r.log.Info("taking over the longer log", "of", from, "up to", best, "own", mine.Last)
	if mine.Committed >= best.Seq {
		return nil
	}
	last, err := r.meet(ctx, at.root, from, mine.Committed+1, min(mine.Last.Seq+1, best.Seq))
	for err == nil && last < best.Seq {
		last, err = r.take(ctx, at.root, from, last+1)
	}
	if err != nil {
		return fmt.Errorf("take over the log of %s: %w", from, err)
	}
	return nil
}

// meet finds, between low and high, where the other log continues this one, takes some
// records from there, and gives the number of the last.
//
// Everything before low is committed here, so the other log has had it too. But that log may
// have been cut, and no longer reach back to low. Then a binary search looks for a record at
// which both logs are the same; by the log's invariant everything before it is the same, too.
func (r recovery) meet(ctx context.Context, root *agencyclient.Node, from string, low, high uint64) (last uint64, err error) {
	for at := low; low <= high; at = low + (high-low)/2 {
		last, err = r.take(ctx, root, from, at)
		switch {
		case errors.Is(err, errGone): // cut there: look later
			low = at + 1
		case errors.Is(err, shard.ErrGap): // the logs differ there: look earlier
			high = at - 1
		default:
			return last, err
		}
	}
	return 0, err
}

// errGone answers take for a record that has been cut from the other log.
var errGone = errors.New("the log no longer reaches back to it")

// take fetches records of another replica's log from a number on, and appends them here. It
// gives the number of the last.
func (r recovery) take(ctx context.Context, root *agencyclient.Node, from string, next uint64) (last uint64, err error) {
	t, err := r.target(root, from)
	if err != nil {
		return 0, err
	}
	ctx, cancel := r.call(ctx)
	defer cancel()
	answer, err := r.server.Peers.Log(ctx, t, r.shard.Name(), dbclient.LogRequest{From: next})
	if err != nil {
		return 0, err
	}
	records, err := decodeRecords(answer.Prev.Seq, answer.Records)
	if err != nil {
		return 0, err
	}
	if answer.Gone || len(records) == 0 {
		return 0, fmt.Errorf("record %d: %w", next, errGone)
	}
	_, err = r.shard.Accept(shard.Batch{Tenure: r.tenure, Prev: fromPosition(answer.Prev), Records: records})
	return next + uint64(len(records)) - 1, err
}
