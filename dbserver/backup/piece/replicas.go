package piece

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
)

// replicaCacheBytes is the block cache for reading the replicas of an engine.
const replicaCacheBytes = 1 << 20

// Replicas reads from the engine in dir, which no process has open, where each replica
// in it stands. A piece states what it contains, and not what it was told at the cut.
// Replicas changes nothing in dir.
func Replicas(fs vfs.FS, dir string, statements []dbclient.ShardStatement) (map[string]dbclient.PieceReplica, error) {
	e, err := engine.Open(dir, engine.Options{FS: fs, ReadOnly: true, CacheBytes: replicaCacheBytes})
	if err != nil {
		return nil, WithoutDir(err)
	}
	found, err := shard.Replicas(e, dbclient.StatementsByShard(statements))
	if err := errors.Join(err, e.Close()); err != nil {
		return nil, fmt.Errorf("where the replicas stand: %w", err)
	}
	return found, nil
}

func equalReplicas(a, b dbclient.PieceReplica) bool {
	sameAt := a.At == b.At || a.At != nil && b.At != nil && *a.At == *b.At
	return sameAt && a.Last == b.Last && a.Committed == b.Committed && a.Copying == b.Copying
}

// WithoutDir takes the directory out of an engine's error. The reader of the error
// knows which piece it is about, and while a piece is staged its directory has a
// temporary name.
func WithoutDir(err error) error {
	var in *engine.DirError
	if errors.As(err, &in) {
		return fmt.Errorf("%s: %w", in.Op, in.Err)
	}
	return err
}
