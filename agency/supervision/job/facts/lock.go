package facts

import (
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
)

// ShardLockedBy is the job that has the shard to itself, "" for none.
func (s *Snapshot) ShardLockedBy(shard *Shard) string { return LockHolder(s.Root.At(shard.LockKey())) }

// ServerLockedBy is the job that has the server to itself, "" for none.
func (s *Snapshot) ServerLockedBy(server string) string {
	return LockHolder(s.Root.At(keys.ServerLocks + "/" + server))
}

// LockHolder is the job that a lock names, "" for none. A lock is a job's id. Tools made for
// ArangoDB write lists of ids too; those of a longer list are joined.
func LockHolder(lock *fsm.Node) string {
	switch {
	case !lock.Exists() || lock.Len() == 0 && lock.Text() == "":
		return ""
	case lock.Text() != "":
		return lock.Text()
	}
	return strings.Join(texts(lock), ", ")
}
