package pieces

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup"
	"stasis/fsm"
)

// What becomes of a staged restore follows from the agency's record: its commit is the last
// one, and only in its epoch.
func TestFateOfAStagedRestore(t *testing.T) {
	staged := backup.Staged{Epoch: 2, Nonce: "n"}
	for name, c := range map[string]struct {
		record Record
		fate   backup.Fate
	}{
		"its nonce holds the lock":             {Record{Epoch: 1, holder: "n"}, backup.Keep},
		"another nonce holds the lock":         {Record{Epoch: 1, holder: "m"}, backup.Remove},
		"the lock is free":                     {Record{Epoch: 1}, backup.Remove},
		"it is committed":                      {record(2, 2, "n"), backup.Finish},
		"another restore took the epoch":       {record(2, 2, "m"), backup.Remove},
		"the cluster has gone on":              {record(3, 3, "m"), backup.Remove},
		"the cluster has not reached it":       {record(1, 2, "n"), backup.Remove},
		"an earlier restore of the same nonce": {record(1, 1, "n"), backup.Remove},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.fate, c.record.fateOfStaged(staged))
		})
	}
}

// record is of a cluster in an epoch, whose last restore is that of another epoch and a nonce.
func record(epoch, restore uint64, nonce string) Record {
	r := Record{Epoch: epoch}
	r.Restore.Epoch, r.Restore.Nonce = restore, nonce
	return r
}

// Only the create that holds the agency lock may close gates.
func TestCreator(t *testing.T) {
	for tree, creator := range map[string]string{
		`{}`: "",
		`{"Create":"2026","Holder":{"nonce":"n","operation":"create"}}`:  "n",
		`{"Create":"2026","Holder":{"nonce":"n","operation":"restore"}}`: "",
		`{"Holder":{"nonce":"n","operation":"create"}}`:                  "",
	} {
		root, err := fsm.Parse(json.RawMessage(`{"arango":{"Target":{"HotBackup":` + tree + `}}}`))
		require.NoError(t, err)
		require.Equal(t, creator, Creator(root), tree)
	}
}
