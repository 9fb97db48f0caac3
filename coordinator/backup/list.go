package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// syncWait bounds how long list waits for the agency's latest word; without it,
// it goes by what this coordinator knows.
const syncWait = time.Second

// listTries bounds how often a list is made again because backups are being deleted.
const listTries = 5

// List says which backups there are, complete or not. It answers directly: a DB
// server that does not answer within Timing.List is named in Unreachable and its
// pieces count as missing. One that is being downloaded is not listed before it is
// whole. Only if none answers is there an error (7012). An id
// that is asked for and not found is 404.
func (s *Service) List(ctx context.Context, r ListRequest) (ListResult, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return ListResult{}, err
	}
	defer leave()
	c, known, lists, err := s.pieces(ctx, r.IDs)
	if err != nil {
		return ListResult{}, err
	}
	result := ListResult{List: map[string]Entry{}}
	for _, l := range lists {
		if l.err != nil {
			result.Unreachable = append(result.Unreachable, l.id)
			s.Logger.Debug("list without a DB server", "error", l.err)
		}
	}
	if len(result.Unreachable) == len(lists) {
		return ListResult{}, apierror.New(apierror.BackupServersMissing, "no DB server answers: %w", firstError(lists))
	}
	if !known {
		c.commits = nil // they may have been deleted since
	}
	for _, id := range listedIDs(lists, c.commits) {
		if r.IDs != nil && !slices.Contains(r.IDs, id) {
			continue
		}
		if e := entry(id, collectPieces(lists, id), c.expected(id), len(c.members)); e.Available || !c.arriving[id] {
			result.List[id] = e
		}
	}
	for _, e := range result.List {
		if len(e.Missing) > 0 || len(result.Unreachable) > 0 {
			result.ShortNames = c.names
		}
	}
	for _, id := range r.IDs {
		if _, found := result.List[id]; !found {
			return ListResult{}, apierror.New(apierror.NotFound, "there is no backup %s", id)
		}
	}
	return result, nil
}

// pieces is the cluster, and then what its servers list. A list during which a backup
// was deleted is made again, lest a part of that backup be in it.
func (s *Service) pieces(ctx context.Context, ids []string) (c *cluster, latest bool, lists []answer[dbserver.ListResponse], err error) {
	for try := 0; ; try++ {
		if c, latest, err = s.view(ctx); err != nil {
			return nil, false, nil, err
		}
		lists = ask(ctx, c.members, s.Timing.List, nil, func(ctx context.Context, m member) (dbserver.ListResponse, error) {
			return s.listOn(ctx, m, dbserver.ListRequest{IDs: ids})
		})
		c.hide(lists)
		if !latest {
			return c, latest, lists, nil
		}
		after, _, err := s.view(ctx)
		if err != nil {
			return nil, false, nil, err
		}
		if try == listTries || number(c.deletes) == number(after.deletes) {
			after.hide(lists)
			maps.DeleteFunc(c.commits, func(id string, _ keys.Commit) bool { return len(after.doomed[id]) > 0 })
			return c, latest, lists, nil
		}
	}
}

// view is what this coordinator knows of the cluster. latest says whether that is
// at least as new as the call.
func (s *Service) view(ctx context.Context) (c *cluster, latest bool, err error) {
	wait, cancel := context.WithTimeout(ctx, syncWait)
	defer cancel()
	snapshot, serr := s.Cache.Sync(wait)
	if serr != nil {
		s.Logger.Debug("going by the cache, which may be behind", "error", serr)
		snapshot = s.Cache.Snapshot()
	}
	c, err = parseCluster(snapshot.Root)
	if err != nil {
		return nil, false, apierror.New(apierror.BackupServersMissing, "%w", err)
	}
	return c, serr == nil, nil
}

// current is view for operations that must not go by anything older than the call.
func (s *Service) current(ctx context.Context) (*cluster, *agency.Node, error) {
	wait, cancel := context.WithTimeout(ctx, s.Timing.Agency)
	defer cancel()
	snapshot, err := s.Cache.Sync(wait)
	if err != nil {
		return nil, nil, agencyError(fmt.Errorf("read Plan: %w", err))
	}
	c, err := parseCluster(snapshot.Root)
	if err != nil {
		return nil, nil, apierror.New(apierror.BackupServersMissing, "%w", err)
	}
	return c, snapshot.Root, nil
}

// listedIDs are the ids of all pieces, and those that the agency has recorded as
// committed: a backup that is not published yet, or whose servers are all gone, is
// there nevertheless.
func listedIDs(lists []answer[dbserver.ListResponse], commits map[string]keys.Commit) []string {
	all := slices.Collect(maps.Keys(commits))
	for _, l := range lists {
		for _, p := range l.value.Pieces {
			all = append(all, p.ID)
		}
	}
	return sortedSet(all)
}

// entry puts the pieces of one backup together. It is available if a restore would find
// all of them, and a server for each; the reference demands as many servers as pieces,
// but a restore gives those that have joined since an empty engine.
func entry(id string, set *pieceSet, commit keys.Commit, servers int) Entry {
	e := Entry{
		ID: id, DateTime: commit.DateTime, NrDBServers: len(commit.Servers), Keys: []Key{},
		NrPiecesPresent: len(set.pieces), PotentiallyInconsistent: commit.PotentiallyInconsistent,
		Notes: Notes{Kind: set.kind(), Missing: set.missing(commit.Servers)},
	}
	alike := true
	for _, source := range slices.Sorted(maps.Keys(set.pieces)) {
		p := set.pieces[source]
		alike = alike && (e.Version == "" || e.Version == p.Version)
		e.Version, e.DateTime, e.NrDBServers = p.Version, p.DateTime, p.NrDBServers
		e.SizeInBytes += p.SizeInBytes
		e.NrFiles += p.NrFiles
		e.PotentiallyInconsistent = e.PotentiallyInconsistent || p.PotentiallyInconsistent
		e.CountIncludesFilesOnly = p.CountIncludesFilesOnly
		for _, k := range p.Keys {
			if key := (Key{k.SHA256}); !slices.Contains(e.Keys, key) {
				e.Keys = append(e.Keys, key)
			}
		}
	}
	e.Available = alike && e.NrPiecesPresent > 0 && e.NrPiecesPresent == e.NrDBServers && e.NrDBServers <= servers
	return e
}
