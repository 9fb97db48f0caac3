package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// A replica obeys a tenure if Plan has it: the term that Plan gives the shard, and the reboot
// id of the planned leader in ServersKnown. Within an epoch this pair only rises.
//
//   - A lower tenure is over, even if the cache that says so is behind.
//   - A higher one may be newer than the cache, so it is judged by a tree that is as new as
//     the request. If Plan does not have it then, there is no such tenure: a leader learns of
//     its tenure from Plan before it sends anything.

// planPatience bounds the wait for a tree that is new enough. After it the leader asks again.
const planPatience = 3 * time.Second

// errUnplanned is returned for a tenure that a tree does not have: not yet, or not at all.
var errUnplanned = errors.New("there is no such tenure in Plan")

// standing is what a tree has of a shard and of this server's replica.
type standing struct {
	tenure  shard.Tenure
	leader  string
	planned bool // Plan has a replica on this server
	report  keys.CurrentShardReport
	exists  bool // there is a report
}

// admission judges tenures for one replica.
type admission struct {
	home  Home
	shard *shard.Shard

	mu         sync.Mutex
	database   string       // where the shard stands in Plan
	collection string       // "" before it was looked for
	known      shard.Tenure // the last one that was found to be Plan's
}

// find gives the shard's collection in Plan. Shards never change theirs.
func (a *admission) find(root *agencyclient.Node) (db, cid string, found bool) {
	a.mu.Lock()
	db, cid = a.database, a.collection
	a.mu.Unlock()
	if cid != "" {
		return db, cid, true
	}
	name := a.shard.Name()
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, node := range collections.Children() {
			if node.At("shards/" + name).Exists() {
				a.mu.Lock()
				a.database, a.collection = db, cid
				a.mu.Unlock()
				return db, cid, true
			}
		}
	}
	return "", "", false
}

// look reads how things stand in a tree of this replica's epoch.
func (a *admission) look(root *agencyclient.Node) (standing, error) {
	if epoch, _ := root.At(keys.RestoreEpoch).Int(); uint64(max(epoch, 0)) != a.home.Epoch {
		return standing{}, fmt.Errorf("%w of the epoch that is open here", errUnplanned)
	}
	name := a.shard.Name()
	db, cid, found := a.find(root)
	if !found {
		return standing{}, fmt.Errorf("%w, nor the shard", errUnplanned)
	}
	t, p, found := plannedTenure(root, root.At(keys.PlanCollection(db, cid)), name)
	if !found {
		return standing{}, fmt.Errorf("%w, nor the shard", errUnplanned)
	}
	at := standing{tenure: t, leader: p.Leader(), planned: slices.Contains(p.followers(), a.home.ID)}
	current := root.At(keys.CurrentShard(db, cid, name))
	at.exists = current.Exists() && current.Decode(&at.report) == nil
	return at, nil
}

// counts says whether the replica may be one of those that have every acknowledged record:
// before a leader has reported, any may.
func (at standing) counts(me string) bool {
	return !at.exists || at.report.Restored != nil || at.report.Names(me)
}

// judge is nil if a tree has a tenure that this replica obeys. Otherwise the error says that
// the tenure is over (shard.ErrOldTenure), that it is this server's own
// (apierror.Forbidden), or that the tree does not have it (errUnplanned).
func (a *admission) judge(root *agencyclient.Node, t shard.Tenure) error {
	at, err := a.look(root)
	switch {
	case err != nil:
		return fmt.Errorf("shard %s: tenure %s: %w", a.shard.Name(), t, err)
	case t.Compare(at.tenure) < 0:
		return fmt.Errorf("shard %s: tenure %s: %w: Plan has %s", a.shard.Name(), t, shard.ErrOldTenure, at.tenure)
	case t != at.tenure:
		return fmt.Errorf("shard %s: tenure %s: %w: it has %s", a.shard.Name(), t, errUnplanned, at.tenure)
	case at.leader == a.home.ID && !failpoint.Off("own-tenure-refused"):
		return apierror.New(apierror.Forbidden, "shard %s: tenure %s is that of this server, which obeys no other in it", a.shard.Name(), t)
	case !at.planned && !at.report.Names(a.home.ID):
		return fmt.Errorf("shard %s: tenure %s: %w that has a replica here", a.shard.Name(), t, errUnplanned)
	}
	return nil
}

// admit is nil for a tenure that Plan has and that another server leads. A tenure that was
// admitted is not judged again: the replica promises it next, and the promise decides from
// then on. So a replica that has lost the agency goes on following.
func (a *admission) admit(ctx context.Context, t shard.Tenure) error {
	if failpoint.Off("tenure-is-planned") || a.knows(t) {
		return nil
	}
	err := a.judge(a.home.Cache.Snapshot().Root, t)
	if errors.Is(err, errUnplanned) {
		var root *agencyclient.Node
		if root, err = a.confirmed(ctx); err == nil {
			err = a.judge(root, t)
		}
	}
	if errors.Is(err, errUnplanned) {
		return apierror.New(apierror.Forbidden, "%w", err)
	}
	if err == nil {
		a.learn(t)
	}
	return err
}

// confirmed is a tree that is at least as new as the call.
func (a *admission) confirmed(ctx context.Context) (*agencyclient.Node, error) {
	if failpoint.Off("judged-by-synced-cache") {
		return a.home.Cache.Snapshot().Root, nil
	}
	ctx, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	snap, err := a.home.Cache.Sync(ctx)
	if err != nil {
		return nil, apierror.New(apierror.ServiceUnavailable, "shard %s: what Plan has now is not known: %w", a.shard.Name(), err)
	}
	return snap.Root, nil
}

func (a *admission) knows(t shard.Tenure) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known == t && t != (shard.Tenure{})
}

func (a *admission) learn(t shard.Tenure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.Compare(a.known) > 0 {
		a.known = t
	}
}

// promised is nil for a tenure that is admitted and promised. A leader asks for the promise
// before it sends anything, so anything sent without one is not from a leader.
func (a *admission) promised(ctx context.Context, t shard.Tenure) error {
	if err := a.admit(ctx, t); err != nil {
		return err
	}
	if st := a.shard.State(); t.Compare(st.Promised) > 0 && !failpoint.Off("promise-comes-first") {
		return apierror.New(apierror.PreconditionFailed, "shard %s: tenure %s has not been promised, %s has", a.shard.Name(), t, st.Promised)
	}
	return nil
}

// dispensable is nil if what this replica has cannot be needed: Plan has it as a follower,
// and Current has a report without it. The leader takes the replica in again only after the
// copy, so this does not change while the copy is brought.
func (a *admission) dispensable(ctx context.Context, t shard.Tenure) error {
	root, err := a.confirmed(ctx)
	if err != nil {
		return err
	}
	if err := a.judge(root, t); err != nil {
		return err
	}
	at, err := a.look(root)
	switch {
	case err != nil:
		return err
	case failpoint.Off("member-takes-no-copy"):
		return nil
	case !at.planned, at.counts(a.home.ID):
		return apierror.New(apierror.Forbidden, "shard %s: this replica may have what no other has, and takes no copy: Current has %v in sync", a.shard.Name(), at.report.Servers)
	}
	return nil
}

// overrule promises t although a later tenure was promised, if Plan cannot have had the later
// one: a tree that is newer than the promise has t, and Plan's tenure never falls. Such
// promises come from earlier versions, which took any tenure from any sender.
func (a *admission) overrule(ctx context.Context, promised, t shard.Tenure) (shard.State, error) {
	root, err := a.confirmed(ctx)
	if err == nil {
		err = a.judge(root, t)
	}
	if err != nil {
		return a.shard.State(), err
	}
	a.home.Logger.Error("a promise is overruled that Plan never had a tenure for", "shard", a.shard.Name(), "promised", promised, "Plan", t)
	return a.shard.Overrule(promised, t)
}
