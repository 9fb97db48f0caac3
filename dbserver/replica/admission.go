package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// A replica obeys a tenure if Plan has it: the term that Plan gives the shard, and the reboot
// id of the planned leader as it is known to the agency. Within an epoch this pair only rises.
// So a tenure that is lower is over, also by the word of a cache that is behind; one that is
// higher may be news that the cache lacks, and is judged by a tree that is as new as the
// request. If Plan does not have it then, it is none: a leader learns of its tenure from Plan
// before it sends anything.

// planPatience is how long a request waits for a tree that is new enough. The leader asks
// again.
const planPatience = 3 * time.Second

// errUnplanned is the verdict on a tenure that a tree does not have: not yet, or not at all.
var errUnplanned = errors.New("there is no such tenure in Plan")

// standing is what a tree says of a shard and of the server's replica.
type standing struct {
	tenure  shard.Tenure
	leader  string
	planned bool // Plan has a replica on this server
	report  keys.CurrentShardReport
	exists  bool // there is a report
}

// plannedTenure is the tenure that Plan has for a shard of a collection; false if it has no
// such shard.
func plannedTenure(root, collection *agencyclient.Node, name string) (t shard.Tenure, p Place, found bool) {
	if collection.At("shards/"+name).Decode(&p.Servers) != nil || len(p.Servers) == 0 {
		return t, p, false
	}
	term, _ := collection.At("shardTerms/" + name).Int()
	reboot, _ := root.At(keys.ServerKnown(p.Leader()) + "/rebootId").Int()
	return shard.Tenure{Term: uint64(max(term, 0)), Reboot: uint64(max(reboot, 0))}, p, true
}

// find gives the shard's collection in Plan. Shards never change theirs.
func (f *Follower) find(root *agencyclient.Node) (db, cid string, found bool) {
	f.mu.Lock()
	db, cid = f.database, f.collection
	f.mu.Unlock()
	if cid != "" {
		return db, cid, true
	}
	name := f.shard.Name()
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			if node.At("shards/" + name).Exists() {
				f.mu.Lock()
				f.database, f.collection = db, cid
				f.mu.Unlock()
				return db, cid, true
			}
		}
	}
	return "", "", false
}

// look reads how things stand in a tree of this replica's epoch.
func (f *Follower) look(root *agencyclient.Node) (standing, error) {
	if epoch, _ := root.At(keys.RestoreEpoch).Int(); uint64(max(epoch, 0)) != f.home.Epoch {
		return standing{}, fmt.Errorf("%w of the epoch that is open here", errUnplanned)
	}
	name := f.shard.Name()
	db, cid, found := f.find(root)
	if !found {
		return standing{}, fmt.Errorf("%w, nor the shard", errUnplanned)
	}
	t, p, found := plannedTenure(root, root.At(keys.PlanCollection(db, cid)), name)
	if !found {
		return standing{}, fmt.Errorf("%w, nor the shard", errUnplanned)
	}
	at := standing{tenure: t, leader: p.Leader(), planned: slices.Contains(p.followers(), f.home.ID)}
	current := root.At(keys.CurrentShard(db, cid, name))
	at.exists = current.Exists() && current.Decode(&at.report) == nil
	return at, nil
}

// counts says whether the replica may be one of those that have every acknowledged record:
// before a leader has reported, any may.
func (at standing) counts(me string) bool {
	return !at.exists || at.report.Restored != nil || at.report.Names(me)
}

// judge says what a tree has to say to a tenure: nil, that it is over (shard.ErrOldTenure),
// that it is this server's own, or errUnplanned.
func (f *Follower) judge(root *agencyclient.Node, t shard.Tenure) error {
	at, err := f.look(root)
	switch {
	case err != nil:
		return fmt.Errorf("shard %s: tenure %s: %w", f.shard.Name(), t, err)
	case t.Compare(at.tenure) < 0:
		return fmt.Errorf("shard %s: tenure %s: %w: Plan has %s", f.shard.Name(), t, shard.ErrOldTenure, at.tenure)
	case t != at.tenure:
		return fmt.Errorf("shard %s: tenure %s: %w: it has %s", f.shard.Name(), t, errUnplanned, at.tenure)
	case at.leader == f.home.ID && !failpoint.Off("own-tenure-refused"):
		return apierror.New(apierror.Forbidden, "shard %s: tenure %s is that of this server, which obeys no other in it", f.shard.Name(), t)
	case !at.planned && !at.report.Names(f.home.ID):
		return fmt.Errorf("shard %s: tenure %s: %w that has a replica here", f.shard.Name(), t, errUnplanned)
	}
	return nil
}

// admit is nil for a tenure that Plan has, and that another server leads. One that has been
// admitted once is not judged again: what follows it is a promise. So a replica that has lost
// the agency goes on following.
func (f *Follower) admit(ctx context.Context, t shard.Tenure) error {
	if failpoint.Off("tenure-is-planned") || f.knows(t) {
		return nil
	}
	err := f.judge(f.home.Cache.Snapshot().Root, t)
	if errors.Is(err, errUnplanned) {
		var root *agencyclient.Node
		if root, err = f.confirmed(ctx); err == nil {
			err = f.judge(root, t)
		}
	}
	if errors.Is(err, errUnplanned) {
		return apierror.New(apierror.Forbidden, "%w", err)
	}
	if err == nil {
		f.learn(t)
	}
	return err
}

// confirmed is a tree that is at least as new as the call.
func (f *Follower) confirmed(ctx context.Context) (*agencyclient.Node, error) {
	if failpoint.Off("judged-by-synced-cache") {
		return f.home.Cache.Snapshot().Root, nil
	}
	ctx, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	snap, err := f.home.Cache.Sync(ctx)
	if err != nil {
		return nil, apierror.New(apierror.ServiceUnavailable, "shard %s: what Plan has now is not known: %w", f.shard.Name(), err)
	}
	return snap.Root, nil
}

func (f *Follower) knows(t shard.Tenure) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known == t && t != (shard.Tenure{})
}

func (f *Follower) learn(t shard.Tenure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.Compare(f.known) > 0 {
		f.known = t
	}
}

// promised is nil for a tenure that is admitted and promised: before its leader has asked
// where this replica stands, it sends nothing.
func (f *Follower) promised(ctx context.Context, t shard.Tenure) error {
	if err := f.admit(ctx, t); err != nil {
		return err
	}
	if st := f.shard.State(); t.Compare(st.Promised) > 0 && !failpoint.Off("promise-comes-first") {
		return apierror.New(apierror.PreconditionFailed, "shard %s: tenure %s has not been promised, %s has", f.shard.Name(), t, st.Promised)
	}
	return nil
}

// dispensable is nil if nothing that this replica has can be needed: Plan has it as a
// follower, and Current has a report without it. The leader takes a replica in again only
// after it has been copied to.
func (f *Follower) dispensable(ctx context.Context, t shard.Tenure) error {
	root, err := f.confirmed(ctx)
	if err != nil {
		return err
	}
	if err := f.judge(root, t); err != nil {
		return err
	}
	at, err := f.look(root)
	switch {
	case err != nil:
		return err
	case failpoint.Off("member-takes-no-copy"):
		return nil
	case !at.planned, at.counts(f.home.ID):
		return apierror.New(apierror.Forbidden, "shard %s: this replica may have what no other has, and takes no copy: Current has %v in sync", f.shard.Name(), at.report.Servers)
	}
	return nil
}

// overrule promises t although a later tenure has been promised, if that one cannot have been
// Plan's: a tree that is newer than the promise has t. An earlier version took any tenure
// from anyone, and kept it on disk.
func (f *Follower) overrule(ctx context.Context, promised, t shard.Tenure) (shard.State, error) {
	root, err := f.confirmed(ctx)
	if err == nil {
		err = f.judge(root, t)
	}
	if err != nil {
		return f.shard.State(), err
	}
	f.home.Logger.Error("a promise is overruled that Plan never had a tenure for", "shard", f.shard.Name(), "promised", promised, "Plan", t)
	return f.shard.Overrule(promised, t)
}
