package backup

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
)

// replicaCacheBytes is the block cache for a look at the replicas of an engine.
const replicaCacheBytes = 1 << 20

// replicas reads from an engine at rest where each replica in it stands: what the piece
// says of them is what it has, not what was told at the cut. It changes nothing in home.
func (s *Store) replicas(home string, statements []dbclient.ShardStatement) (map[string]dbclient.PieceReplica, error) {
	e, err := engine.Open(home, engine.Options{FS: s.config.FS, ReadOnly: true, CacheBytes: replicaCacheBytes})
	if err != nil {
		return nil, inPiece(err)
	}
	found, err := shard.Replicas(e, dbclient.StatementsByShard(statements))
	if err := errors.Join(err, e.Close()); err != nil {
		return nil, fmt.Errorf("where the replicas stand: %w", err)
	}
	return found, nil
}

// described is the META of the piece in dir, with what its manifest says of the replicas.
func (s *Store) described(dir string) (dbclient.Piece, error) {
	piece, err := s.meta(dir)
	if err != nil {
		return piece, err
	}
	manifest, err := s.manifest(dir)
	piece.Replicas = manifest.Replicas
	return piece, err
}

// verifyReplicas compares what the manifest says of the replicas with the engine, which
// opens. What is wrong with the manifest itself has been said.
func (s *Store) verifyReplicas(dir string, v *dbclient.VerifyResponse, problem func(string, ...any)) {
	var manifest Manifest
	if s.fs.readJSON(s.fs.PathJoin(dir, fileManifest), &manifest) != nil || manifest.Replicas == nil {
		return // or it is a failsafe's, or of format 1
	}
	v.Piece.Replicas = manifest.Replicas
	found, err := s.replicas(s.fs.PathJoin(dir, dirEngine), manifest.Statements)
	if err != nil {
		problem("engine: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(manifest.Replicas)) {
		is, there := found[name]
		if says := manifest.Replicas[name]; !there || !equalReplicas(says, is) {
			problem("engine: the replica of shard %s stands at %+v (there: %v), the manifest says %+v", name, is, there, says)
		}
		delete(found, name)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		problem("engine: the replica of shard %s is not in the manifest", name)
	}
}

func equalReplicas(a, b dbclient.PieceReplica) bool {
	sameAt := a.At == b.At || a.At != nil && b.At != nil && *a.At == *b.At
	return sameAt && a.Last == b.Last && a.Committed == b.Committed && a.Copying == b.Copying
}

// certify writes into a staged engine what its replicas were at the cut: in sync or not, and
// where their shards stood.
func certify(e *engine.Engine, req dbclient.StageRequest) error {
	for _, st := range req.Statements {
		inSync := slices.Contains(st.InSync, req.Source)
		err := shard.Certify(e, st.Shard, shard.Position{Tenure: shard.Tenure(st.Last.Tenure), Seq: st.Last.Seq}, inSync)
		if errors.Is(err, shard.ErrNoShard) && !inSync {
			continue // planned here, and not made yet
		}
		if err != nil {
			return fmt.Errorf("engine of the piece: %w", err)
		}
	}
	return nil
}
