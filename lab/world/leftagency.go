package world

import (
	"fmt"
	"maps"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/minicluster"
)

// agencyLeft lists what operations have left in the agency. What is there and cannot be read is an error: it is not known what it is.
func agencyLeft(root *agencyclient.Node, servers []minicluster.Node) ([]string, error) {
	found, err := lockLeft(root)
	if err != nil {
		return nil, err
	}
	for _, group := range []struct{ key, what string }{
		{keys.HotBackupWaiting, "waits for the agency lock"},
		{keys.TargetToDo, "is a job that is to be done"},
		{keys.TargetPending, "is a job that is not finished"},
	} {
		names, err := children(root, group.key)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			found = append(found, name+" "+group.what)
		}
	}
	for _, n := range servers { // tombstones of servers that are there stay no longer than it takes to remove a piece
		if n.ID == "" {
			continue
		}
		ids, err := children(root, keys.HotBackupDeleted+"/"+n.ID)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			found = append(found, fmt.Sprintf("%s has not removed its piece of %s, which was deleted", n.Name, id))
		}
	}
	found = append(found, transferLocks(root.At(keys.HotBackupLocks), "")...)
	jobs, err := transfers(root)
	return append(found, jobs...), err
}

// lockLeft is the agency lock, with who holds it.
func lockLeft(root *agencyclient.Node) ([]string, error) {
	if !root.At(keys.HotBackupCreate).Exists() {
		return nil, nil
	}
	holder := root.At(keys.HotBackupHolder)
	if !holder.Exists() {
		return []string{"the agency lock is held: no holder is noted"}, nil
	}
	var h any
	if err := holder.Decode(&h); err != nil {
		return nil, fmt.Errorf("read %s: %w", keys.HotBackupHolder, err)
	}
	return []string{"the agency lock is held: " + fmt.Sprint(h)}, nil
}

// children are the names below a key, none if there is nothing.
func children(root *agencyclient.Node, key string) ([]string, error) {
	var all map[string]any
	if err := decode(root, key, &all); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// decode reads what is at a key, if there is anything.
func decode(root *agencyclient.Node, key string, into any) error {
	at := root.At(key)
	if !at.Exists() {
		return nil
	}
	if err := at.Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}

// transferLocks lists the locks below a key. The folders that they were in stay.
func transferLocks(at *agencyclient.Node, location string) (found []string) {
	if holder := at.Text(); holder != "" {
		return []string{fmt.Sprintf("the transfer %s holds the lock of%s", holder, location)}
	}
	for name, below := range at.Children() {
		found = append(found, transferLocks(below, location+" "+name)...)
	}
	return found
}

// transfers lists those that are not finished.
func transfers(root *agencyclient.Node) (found []string, err error) {
	var all map[string]keys.TransferJob
	if err := decode(root, keys.HotBackupJobs, &all); err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if job := all[id]; !job.Finished() {
			found = append(found, fmt.Sprintf("the %s %s of backup %s is not finished", job.Kind, id, job.BackupID))
		}
	}
	return found, nil
}
