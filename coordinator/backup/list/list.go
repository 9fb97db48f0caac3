// Package list lists the backups of a cluster.
//
// It asks every DB server for its pieces and the agency for its records, and combines both. It
// answers although servers or the agency are down: operators need the list most then. A backup
// that is being deleted is in the list completely or not at all.
package list

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// tries bounds how often a list is made again because backups are being deleted.
const tries = 5

// Lister makes lists. Any goroutine may use it.
type Lister struct {
	Life     *operation.Life
	Clusters *topology.Reader
	Servers  piece.Lister
	Answer   time.Duration // bounds the answer of one DB server
	Log      hclog.Logger
}

// List returns the backups, complete or not. A DB server that does not answer in time is in
// Unreachable, and its pieces count as missing. List leaves out a backup that is being downloaded
// until all its pieces have arrived.
//
// [apierror.BackupServersMissing]: no DB server answers. [apierror.NotFound]: no backup has one of the
// ids in the request.
func (l *Lister) List(ctx context.Context, r Request) (Result, error) {
	ctx, leave, err := l.Life.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	c, known, lists, err := l.pieces(ctx, dbclient.ListRequest{IDs: r.IDs})
	if err != nil {
		return Result{}, err
	}
	result := Result{List: map[string]Entry{}}
	for _, a := range lists {
		if a.Err != nil {
			result.Unreachable = append(result.Unreachable, a.ID)
			l.Log.Debug("list without a DB server", "error", a.Err)
		}
	}
	if len(result.Unreachable) == len(lists) {
		return Result{}, apierror.New(apierror.BackupServersMissing, "no DB server answers: %w", fanout.FirstError(lists))
	}
	if !known {
		c.Commits = nil // they may have been deleted since
	}
	for _, id := range listedIDs(lists, c.Commits) {
		if r.IDs != nil && !slices.Contains(r.IDs, id) {
			continue
		}
		if e := entryOf(id, piece.Collect(lists, id), c.Expected(id), len(c.Members)); e.Available || !c.Arriving[id] {
			result.List[id] = e
		}
	}
	for _, e := range result.List {
		if len(e.Missing) > 0 || len(result.Unreachable) > 0 {
			result.ShortNames = c.Names
		}
	}
	for _, id := range r.IDs {
		if _, found := result.List[id]; !found {
			return Result{}, apierror.New(apierror.NotFound, "there is no backup %s", id)
		}
	}
	return result, nil
}

// pieces reads the cluster, and then asks its servers. If a backup was deleted meanwhile, pieces
// begins again: otherwise a part of that backup could be in the list. latest says whether the
// cluster is at least as new as the call.
func (l *Lister) pieces(ctx context.Context, r dbclient.ListRequest) (c *topology.Cluster, latest bool, lists piece.Lists, err error) {
	for try := 0; ; try++ {
		if c, latest, err = l.Clusters.Known(ctx); err != nil {
			return nil, false, nil, err
		}
		lists = fanout.Ask(ctx, c.Members, l.Answer, nil, func(ctx context.Context, m fanout.Member) (dbclient.ListResponse, error) {
			return piece.List(ctx, l.Servers, m, r)
		})
		piece.Hide(c, lists)
		if !latest {
			return c, latest, lists, nil
		}
		after, _, err := l.Clusters.Known(ctx)
		if err != nil {
			return nil, false, nil, err
		}
		if try == tries || c.Deletes == after.Deletes {
			piece.Hide(after, lists)
			maps.DeleteFunc(c.Commits, func(id string, _ keys.Commit) bool { return len(after.Tombstones[id]) > 0 })
			return c, latest, lists, nil
		}
	}
}

// listedIDs returns the ids of all pieces and of all backups on record: a backup that is not
// published yet, or whose servers are all down, exists all the same.
func listedIDs(lists piece.Lists, commits map[string]keys.Commit) []string {
	all := slices.Collect(maps.Keys(commits))
	for _, l := range lists {
		for _, p := range l.Value.Pieces {
			all = append(all, p.ID)
		}
	}
	return topology.SortedSet(all)
}

// entryOf makes the entry of one backup from its pieces. The backup is available if a restore would
// find all of them, and a server for each. ArangoDB 3.12 requires as many servers as pieces; a
// restore here gives an empty engine to servers that have joined since.
func entryOf(id string, set *piece.Set, record keys.Commit, servers int) Entry {
	e := Entry{
		ID: id, DateTime: record.DateTime, NrDBServers: len(record.Servers), Keys: []certificate.Key{},
		NrPiecesPresent: len(set.Pieces), PotentiallyInconsistent: record.PotentiallyInconsistent,
		BackupNotes: client.BackupNotes{Kind: set.Kind(), Missing: set.Missing(record.Servers)},
	}
	alike := true
	for _, source := range slices.Sorted(maps.Keys(set.Pieces)) {
		p := set.Pieces[source]
		alike = alike && (e.Version == "" || e.Version == p.Version)
		e.Version, e.DateTime, e.NrDBServers = p.Version, p.DateTime, p.NrDBServers
		e.SizeInBytes += p.SizeInBytes
		e.NrFiles += p.NrFiles
		e.PotentiallyInconsistent = e.PotentiallyInconsistent || p.PotentiallyInconsistent
		e.CountIncludesFilesOnly = p.CountIncludesFilesOnly
		e.LockMode = p.LockMode
		for _, k := range p.Keys {
			if !slices.Contains(e.Keys, k) {
				e.Keys = append(e.Keys, k)
			}
		}
	}
	e.Available = alike && e.NrPiecesPresent > 0 && e.NrPiecesPresent == e.NrDBServers && e.NrDBServers <= servers
	return e
}
