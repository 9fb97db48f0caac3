package reader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
	"stasis/internal/overlay"
)

// Replica is one replica of a shard as a piece has it.
type Replica struct {
	Shard      string
	Database   string
	Collection string // its id
	Server     string // id of the DB server
	InSync     bool   // at the cut, as the leader stated
	// Position is the end of the log as the leader stated, for a replica that was in sync. Of another one it is
	// the last record that the replica has applied: only that is known to be part of the state.
	Position  uint64
	Sum       string // of its documents up to that position, in no order
	Documents uint64 // up to that position
	// As [shard.Summary]: in a backup that was taken without the global lock there may be transactions that the restore ends.
	prepared map[dbclient.TxnID]int64
	decided  []dbclient.TxnID
}

// Replicas reads all replicas of all shards of Plan directly from the pieces, in the order of shards and servers. Those of
// one shard that were in sync must have the same position and sum: see [Unequal]. An error says that a piece cannot be read, or that a
// replica which was in sync is not what was stated.
func (r *Reader) Replicas(ctx context.Context) ([]Replica, error) {
	var all []Replica
	for _, server := range r.set.servers() {
		found, err := r.set.replicasOf(ctx, server)
		if err != nil {
			return nil, fmt.Errorf("backup %s: piece of %s: %w", r.set.id, server, err)
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b Replica) int { return strings.Compare(a.Shard, b.Shard) })
	return all, nil
}

// replicasOf reads the replicas in one piece.
func (s *set) replicasOf(ctx context.Context, server string) (found []Replica, err error) {
	p := s.pieces[server]
	const at = "/" + piece.DirEngine
	disk, err := overlay.New(overlay.Mount{At: at, FS: p.FS, Dir: piece.In(p.FS, p.Dir).EngineDir()})
	if err != nil {
		return nil, err
	}
	e, err := engine.Open(at, engine.Options{FS: disk, ReadOnly: true, CacheBytes: cacheBytes})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, name := range slices.Sorted(maps.Keys(s.shards)) {
		planned := s.shards[name]
		if !slices.Contains(planned.Servers, server) {
			continue
		}
		replica, there, err := s.replica(ctx, e, planned, server)
		if err != nil {
			return nil, err
		}
		if there {
			found = append(found, replica)
		}
	}
	return found, nil
}

// replica reads one replica. One that Plan has and the engine has not was not made yet, unless it was in sync.
func (s *set) replica(ctx context.Context, e *engine.Engine, planned certificate.Shard, server string) (r Replica, there bool, err error) {
	st, stated := s.cert.Statement(planned.Name)
	r = Replica{
		Shard: planned.Name, Database: planned.Database, Collection: planned.Collection, Server: server,
		InSync: stated && slices.Contains(st.InSync, server), Position: st.Last.Seq,
	}
	if !r.InSync {
		state, err := shard.Open(shard.Env{Engine: e}, planned.Name)
		if errors.Is(err, shard.ErrNoShard) {
			return r, false, nil
		}
		if err != nil {
			return r, false, err
		}
		r.Position = state.State().Committed
		if state.State().Copying {
			return r, false, nil
		}
	}
	sum, err := shard.SumAt(ctx, e, planned.Name, r.Position)
	if err != nil {
		return r, false, fmt.Errorf("replica of %s: %w", planned.Label(), err)
	}
	r.Sum, r.Documents = fmt.Sprintf("%016x", sum.Sum), sum.Documents
	r.prepared, r.decided = sum.Prepared, sum.Decided
	return r, true, nil
}

// documentsOf counts the documents that a client has to find in shards, of each of which a replica is given: also those of transactions
// that are prepared on one shard and decided on another.
func documentsOf(shards []Replica) (n int64) {
	decided := map[dbclient.TxnID]bool{}
	for _, r := range shards {
		for _, id := range r.decided {
			decided[id] = true
		}
	}
	for _, r := range shards {
		n += int64(r.Documents)
		for id, added := range r.prepared {
			if decided[id] {
				n += added
			}
		}
	}
	return n
}

// Unequal names the shards of which replicas that were in sync differ.
func Unequal(all []Replica) (problems []string) {
	first := map[string]Replica{}
	for _, r := range all {
		if !r.InSync {
			continue
		}
		other, seen := first[r.Shard]
		if !seen {
			first[r.Shard] = r
			continue
		}
		if (other.Position != r.Position || other.Sum != r.Sum || other.Documents != r.Documents) && !failpoint.Off("reader-compares-replicas") {
			problems = append(problems, fmt.Sprintf("shard %s: both replicas were in sync, and %s has %d documents (sum %s) at record %d, %s has %d (sum %s) at record %d",
				r.Shard, other.Server, other.Documents, other.Sum, other.Position, r.Server, r.Documents, r.Sum, r.Position))
		}
	}
	return problems
}
