package catalog

import (
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// Snapshot is the catalog at one index of the agency. It does not change.
type Snapshot struct {
	Index uint64
	Epoch uint64 // restore epoch of the cluster
	root  *agencyclient.Node
	dir   *directory
}

// Node is the tree at a key.
func (snap *Snapshot) Node(key string) *agencyclient.Node { return snap.root.At(key) }

// database returns a database by name. One that is still being created does not exist yet.
func (snap *Snapshot) database(name string) (*Database, bool) {
	db := snap.dir.databases[name]
	return db, db != nil && !db.IsBuilding
}

// Databases returns the names of all databases, sorted.
func (snap *Snapshot) Databases() []string {
	names := []string{}
	for name, db := range snap.dir.databases {
		if !db.IsBuilding {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Collection returns a collection by name or id. One that is still being created does not
// exist yet.
func (snap *Snapshot) Collection(db, name string) (*Collection, bool) {
	coll := snap.dir.byName[db][name]
	if coll == nil {
		coll = snap.dir.byID[db][name]
	}
	if coll == nil || coll.building {
		return nil, false
	}
	_, ok := snap.database(db)
	return coll, ok
}

// Collections returns all collections of a database, sorted by name.
func (snap *Snapshot) Collections(db string) []*Collection {
	var all []*Collection
	for _, coll := range snap.dir.byID[db] {
		if !coll.building {
			all = append(all, coll)
		}
	}
	slices.SortFunc(all, func(a, b *Collection) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find is Collection with an error that says what is missing: 1228 the database, 1203 the
// collection.
func (snap *Snapshot) Find(db, name string) (*Collection, error) {
	if coll, ok := snap.Collection(db, name); ok {
		return coll, nil
	}
	if _, ok := snap.database(db); !ok {
		return nil, noDatabase(db)
	}
	return nil, noCollection(name)
}

// Missing returns the error for a database that does not exist, or else for a collection of
// that name; nil if the database exists and name is empty.
func (snap *Snapshot) Missing(db, name string) error {
	switch _, ok := snap.database(db); {
	case !ok:
		return noDatabase(db)
	case name != "":
		return noCollection(name)
	}
	return nil
}

// LockHolder returns the backup or restore that holds the agency lock, if one does.
func (snap *Snapshot) LockHolder() (keys.Holder, bool) {
	if !snap.root.At(keys.HotBackupCreate).Exists() {
		return keys.Holder{}, false
	}
	var h keys.Holder
	_ = snap.root.At(keys.HotBackupHolder).Decode(&h) // a lock without a holder's record is held all the same
	return h, true
}

// Frozen says whether a backup or restore keeps Plan as it is now.
func (snap *Snapshot) Frozen() bool { return agencyclient.Frozen(snap.root) }
