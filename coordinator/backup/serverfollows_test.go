package backup

import (
	"context"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/restore"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/internal/version"
	"stasis/internal/wait"
)

// follow does what a DB server does by itself: it swaps its engine when the epoch
// rises and, if it is told to, resolves its pending pieces.
func (s *fakeServer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := s.agency.Wait(ctx, func(c agencyclient.Snapshot) bool {
			_, epoch := s.now()
			mine := c.Root.At(keys.HotBackupRestore + "/servers/" + s.id).Exists() // not removed before the restore
			return mine && topology.Number(c.Root.At(keys.HotBackupRestore+"/epoch")) > epoch || s.unresolved(c.Root)
		})
		if err != nil || ctx.Err() != nil {
			return
		}
		s.resolve()
		if s.swap(ctx) {
			s.report(ctx)
		}
	}
}

// swap puts the staged engine in place.
func (s *fakeServer) swap(ctx context.Context) bool {
	var record keys.Restore
	if s.agency.root().At(keys.HotBackupRestore).Decode(&record) != nil {
		return false
	}
	s.mu.Lock()
	slow, behind := s.quirks.slowSwap, s.epoch < record.Epoch
	s.mu.Unlock()
	if !behind || wait.For(ctx, 20*time.Millisecond+slow) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	staged, ok := s.staged[record.Epoch]
	if !ok || staged.Nonce != record.Nonce {
		panic(s.id + ": nothing is staged for the committed restore")
	}
	old := &fakePiece{value: s.value, dump: staged.FailsafeDump, meta: dbclient.Piece{
		ID: staged.FailsafeID, Version: version.API, DateTime: staged.FailsafeTime, Label: restore.FailsafeLabel, Kind: dbclient.PieceFailsafe,
		ServerID: s.id, Epoch: s.epoch, NrDBServers: staged.NrDBServers, SizeInBytes: 100, NrFiles: 2, AgencyDumpSHA256: sum(staged.FailsafeDump),
	}}
	s.value = 0
	if !staged.Empty {
		s.value = s.pieces[staged.ID].value
	}
	s.pieces[staged.FailsafeID] = old
	s.epoch = record.Epoch
	delete(s.staged, record.Epoch)
	return true
}

// report tells the agency the epoch and the shards that the server leads.
func (s *fakeServer) report(ctx context.Context) {
	_, epoch := s.now()
	ops := map[string]any{keys.ServerKnown(s.id) + "/epoch": epoch}
	for db, collections := range s.agency.root().At(keys.PlanCollections).Children() {
		for cid, c := range collections.Children() {
			for shard, servers := range c.At("shards").Children() {
				var list []string
				if servers.Decode(&list) == nil && list[0] == s.id {
					ops[keys.CurrentShard(db, cid, shard)] = keys.CurrentShardReport{Servers: list}
				}
			}
		}
	}
	if _, err := s.agency.apply(agencyclient.Tx{Ops: ops}); err != nil {
		panic(err)
	}
}

// fate of a pending piece by the agency: publish, remove or keep.
func fate(root *agencyclient.Node, id, nonce string) (publish, remove bool) {
	if root.At(keys.HotBackupCommit(id)).At("nonce").Text() == nonce {
		return true, false
	}
	return false, root.At(keys.HotBackupNonce).Text() != nonce
}

func (s *fakeServer) unresolved(root *agencyclient.Node) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quirks.deaf {
		return false // it is not there
	}
	if root.At(keys.HotBackupDeleted+"/"+s.id).Len() > 0 && !s.quirks.behind {
		return true
	}
	if !s.quirks.resolves {
		return false
	}
	for id, p := range s.pending {
		if publish, remove := fate(root, id, p.nonce); publish || remove {
			return true
		}
	}
	return false
}

func (s *fakeServer) resolve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.agency.root().At(keys.HotBackupDeleted + "/" + s.id).Children() {
		if !s.quirks.deaf && !s.quirks.behind {
			s.removeFor(id)
		}
	}
	for id, p := range s.pending {
		publish, remove := fate(s.agency.root(), id, p.nonce)
		if s.quirks.resolves && publish {
			s.pieces[id] = p
		}
		if s.quirks.resolves && (publish || remove) {
			delete(s.pending, id)
		}
	}
}
