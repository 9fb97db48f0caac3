package topology

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
)

// SigningKeys returns the public keys that sign the cluster's backups, ordered by id.
func SigningKeys(root *agencyclient.Node) ([]certificate.PublicKey, error) {
	found := []certificate.PublicKey{}
	for id, n := range root.At(keys.HotBackupKeys).Children() {
		var stored keys.SigningKey
		err := n.Decode(&stored)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupKey(id), err)
		}
		k, err := certificate.ParsePublicKey(stored.Public)
		if err == nil && k.ID() != id {
			err = fmt.Errorf("it is key %s", k.ID())
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", keys.HotBackupKey(id), err)
		}
		found = append(found, k)
	}
	slices.SortFunc(found, func(a, b certificate.PublicKey) int { return strings.Compare(a.ID(), b.ID()) })
	return found, nil
}

// Tombstones returns, by the ids of deleted backups, the servers that have to remove their piece,
// sorted.
func Tombstones(root *agencyclient.Node) map[string][]string {
	found := map[string][]string{}
	for server, backups := range root.At(keys.HotBackupDeleted).Children() {
		for id := range backups.Children() {
			found[id] = append(found[id], server)
		}
	}
	for _, servers := range found {
		slices.Sort(servers)
	}
	return found
}

// Transfers returns the uploads and downloads in the agency, by job id. It leaves out a record that
// cannot be read.
func Transfers(root *agencyclient.Node) map[string]keys.TransferJob {
	found := map[string]keys.TransferJob{}
	for id, n := range root.At(keys.HotBackupJobs).Children() {
		var job keys.TransferJob
		if IsJobID(id) && n.Decode(&job) == nil {
			found[id] = job
		}
	}
	return found
}

// IsJobID says whether a text can be the id of a transfer.
func IsJobID(id string) bool {
	_, err := strconv.ParseUint(id, 10, 64)
	return err == nil
}

// deletions returns the deletions whose tombstones are not all gone, by the id of the backup. It leaves
// out a record that cannot be read: its tombstone counts all the same.
func deletions(root *agencyclient.Node) map[string]keys.Deletion {
	found := map[string]keys.Deletion{}
	for _, backups := range root.At(keys.HotBackupDeleted).Children() {
		for id, n := range backups.Children() {
			var d keys.Deletion
			if n.Decode(&d) == nil {
				found[id] = d
			}
		}
	}
	return found
}
