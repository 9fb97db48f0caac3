package topology

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	dbclient "stasis/dbserver/client"
)

// Cluster is what the agency has about the cluster at one index.
type Cluster struct {
	Index    uint64 // Plan is that of this index; set by Reader.Locked
	Term     uint64 // of the agency; set by Reader.Locked
	UUID     string
	Epoch    uint64
	LatestID uint64
	Members  []fanout.Member        // Plan/DBServers, sorted
	Commits  map[string]keys.Commit // committed backups, by id
	Arriving map[string]bool        // backups that are being downloaded
	Names    map[string]string      // short names of the DB servers in Plan

	Tombstones map[string][]string      // backup id → servers that have to remove their piece of it, sorted
	Deletes    uint64                   // counts deletions
	Deletions  map[string]keys.Deletion // deleted backups whose pieces are not all removed, by id
	Restored   keys.Restore             // the last committed restore; zero: none

	SigningKeys []certificate.PublicKey // of its backups, ordered by id

	EpochStored bool // false before the cluster's first restore, where the key does not exist

	plan *agencyclient.Node
}

// paths are the keys that a Cluster needs, read at one index.
var paths = []string{
	keys.Plan, keys.LatestID, keys.RestoreEpoch, keys.Cluster,
	keys.CurrentServersRegistered, keys.HotBackup, keys.ShortIDs,
}

// parse makes a Cluster of a tree that has paths.
func parse(root *agencyclient.Node) (*Cluster, error) {
	c := &Cluster{
		plan:        root.At(keys.Plan),
		UUID:        root.At(keys.Cluster).Text(),
		Epoch:       Number(root.At(keys.RestoreEpoch)),
		EpochStored: root.At(keys.RestoreEpoch).Exists(),
		LatestID:    Number(root.At(keys.LatestID)),
		Commits:     map[string]keys.Commit{},
		Arriving:    map[string]bool{},
		Names:       map[string]string{},
		Tombstones:  Tombstones(root),
		Deletions:   deletions(root),
		Deletes:     Number(root.At(keys.HotBackupDeletes)),
	}
	var err error
	if c.SigningKeys, err = SigningKeys(root); err != nil {
		return nil, err
	}
	if last := root.At(keys.HotBackupRestore); last.Exists() {
		if err := last.Decode(&c.Restored); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupRestore, err)
		}
	}
	for id, n := range root.At(keys.HotBackupCommits).Children() {
		var commit keys.Commit
		if err := n.Decode(&commit); err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupCommit(id), err)
		}
		c.Commits[id] = commit
	}
	for _, job := range Transfers(root) {
		if job.Kind == keys.TransferDownload && !job.Finished() {
			c.Arriving[job.BackupID] = true
		}
	}
	return c, c.addMembers(root)
}

func (c *Cluster) addMembers(root *agencyclient.Node) error {
	for id := range root.At(keys.PlanDBServers).Children() {
		url, err := URL(root, id)
		if err != nil {
			return err
		}
		if short := shortName(root, id); short != "" {
			c.Names[id] = short
		}
		c.Members = append(c.Members, fanout.Member{ID: id, Name: Name(root, id), Target: dbclient.Target{URL: url, Epoch: c.Epoch}})
	}
	if len(c.Members) == 0 {
		return errors.New("there are no DB servers in Plan")
	}
	return nil
}

// Trust returns by which keys the cluster judges the signature of a backup: by those that a request
// names, and then strictly, or else by its own.
func (c *Cluster) Trust(named []certificate.PublicKey) certificate.Trust {
	if len(named) > 0 {
		return certificate.Trust{Keys: named, Strict: true}
	}
	return certificate.Trust{Keys: c.SigningKeys}
}

// Named returns the names of servers for people.
func (c *Cluster) Named(servers []string) string { return client.ShortNames(c.Names).Named(servers) }

// Expected returns what the agency knows about a backup: its record, or for the failsafe of the
// last restore, which has no record, the servers that have a piece of it. It is zero for any
// other backup.
func (c *Cluster) Expected(id string) keys.Commit {
	commit, recorded := c.Commits[id]
	if !recorded && id == c.Restored.Previous {
		commit.Servers = slices.Sorted(maps.Keys(c.Restored.Servers))
	}
	return commit
}

// Failsafes returns the failsafe backups of all restores that still exist. The next restore keeps
// them until its own failsafe is whole.
func (c *Cluster) Failsafes() []string {
	if c.Restored.Previous == "" {
		return nil
	}
	return append(slices.Clone(c.Restored.Older), c.Restored.Previous)
}
