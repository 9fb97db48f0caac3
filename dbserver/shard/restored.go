package shard

import (
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

// Certify prepares a replica in an engine that a restore is about to put in place. at is
// where the log of the shard's leader ended at the cut; everything up to there was
// acknowledged or could not be taken back any more, and nothing else was part of the
// state at that moment.
//
// A replica that was in sync has all of it. It may have more: records of an earlier leader,
// which the cluster had taken back, and which no leader had contradicted yet. Certify removes
// them, or the replica would bring them back when it leads. Of a replica that was not in sync
// only what it has applied is known to be part of the state. From now on the replica knows at,
// and does not lead before its log has it. [ErrNoShard]: the engine does not have the shard.
// [ErrUncertified]: the replica cannot have been in sync. The change is durable when the engine
// has been closed or synced.
func Certify(e *engine.Engine, name string, at Position, inSync bool) error {
	s, err := Open(Env{Engine: e}, name)
	if err != nil {
		return err
	}
	if err := s.r.st.certify(at, inSync); err != nil {
		return fmt.Errorf("shard %s: %w", name, err)
	}
	return nil
}

// Replicas says where every replica in an engine stands, in which nothing changes. leaders
// has the numbers at which the shards' leaders ended, as far as they have said so.
func Replicas(e *engine.Engine, leaders map[string]uint64) (map[string]dbclient.PieceReplica, error) {
	names, err := Names(e)
	if err != nil {
		return nil, err
	}
	all := make(map[string]dbclient.PieceReplica, len(names))
	for _, name := range names {
		s, err := Open(Env{Engine: e}, name)
		if err != nil {
			return nil, err
		}
		seq, stated := leaders[name]
		if all[name], err = s.r.st.inPiece(seq, stated); err != nil {
			return nil, fmt.Errorf("shard %s: %w", name, err)
		}
	}
	return all, nil
}
