package pieces

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
)

// Record is what the agency has of backups and restores.
type Record struct {
	holder    string            // nonce that holds the agency lock, "" if none
	committed map[string]string // backup id → nonce
	Restore   keys.Restore      // the last one committed
	Epoch     uint64            // of the cluster
	deleted   []string          // ids of backups whose piece on this server has to go
}

// RecordIn reads a tree; server is this one.
func RecordIn(root *agencyclient.Node, server string) (Record, error) {
	r := Record{holder: root.At(keys.HotBackupNonce).Text(), committed: map[string]string{}, Epoch: EpochIn(root)}
	for id, commit := range root.At(keys.HotBackupCommits).Children() {
		r.committed[id] = commit.At("nonce").Text()
	}
	for id := range root.At(keys.HotBackupDeleted + "/" + server).Children() {
		r.deleted = append(r.deleted, id)
	}
	if restore := root.At(keys.HotBackupRestore); restore.Exists() {
		if err := restore.Decode(&r.Restore); err != nil {
			return r, fmt.Errorf("read %s: %w", keys.HotBackupRestore, err)
		}
	}
	return r, nil
}

// EpochIn is the cluster's restore epoch; 0 before the first restore.
func EpochIn(root *agencyclient.Node) uint64 {
	n, _ := root.At(keys.RestoreEpoch).Int()
	return uint64(max(n, 0))
}

// fateOfPiece is what has to become of a pending piece.
func (r Record) fateOfPiece(id, nonce string) backup.Fate {
	return backup.FateOf(nonce, r.committed[id], r.holder)
}

// fateOfStaged is what has to become of a staged restore. Its commit is the last one, and only
// while the cluster is in its epoch.
func (r Record) fateOfStaged(s backup.Staged) backup.Fate {
	committed := ""
	if r.Restore.Epoch == s.Epoch && r.Epoch == s.Epoch {
		committed = r.Restore.Nonce
	}
	return backup.FateOf(s.Nonce, committed, r.holder)
}

// Creator is the nonce of the backup that holds the agency lock; "" if none does. A holder's
// record without the lock itself holds nothing, and a restore needs no gate.
func Creator(root *agencyclient.Node) string {
	if !root.At(keys.HotBackupCreate).Exists() || root.At(keys.HotBackupHolder+"/operation").Text() != keys.OperationCreate {
		return ""
	}
	return root.At(keys.HotBackupNonce).Text()
}
