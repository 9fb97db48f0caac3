package catalog

import (
	"cmp"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// Database is a database in Plan.
type Database struct {
	keys.Database
	node *agencyclient.Node
}

// Collection is a collection in Plan. It does not change; a later View may have
// another one of the same name.
type Collection struct {
	keys.Collection
	Database   string
	ShardNames []string // in the order of their numbers: the order that documents are spread by
	node       *agencyclient.Node
}

// View is what the agency's tree says at one index. It does not change.
type View struct {
	Index uint64
	Epoch uint64 // restore epoch of the cluster
	root  *agencyclient.Node
	dir   *directory
}

// directory is Plan decoded. It is kept as long as the tree's node is the same,
// and a new one takes over what has not changed.
type directory struct {
	plan      *agencyclient.Node
	databases map[string]*Database
	byID      map[string]map[string]*Collection // database → id, those being built included
	byName    map[string]map[string]*Collection // the same by name
}

func (c *Catalog) view(s agencyclient.Snapshot) *View {
	plan := s.Root.At(keys.Plan)
	old := c.dir.Load()
	dir := old
	if old == nil || old.plan != plan {
		dir = decode(plan, old)
		c.dir.CompareAndSwap(old, dir) // whoever comes second has decoded for itself only
	}
	epoch, _ := s.Root.At(keys.RestoreEpoch).Int()
	return &View{Index: s.Index, Epoch: uint64(epoch), root: s.Root, dir: dir}
}

func decode(plan *agencyclient.Node, old *directory) *directory {
	d := &directory{plan: plan, databases: map[string]*Database{}, byID: map[string]map[string]*Collection{}, byName: map[string]map[string]*Collection{}}
	for name, node := range plan.At(below(keys.PlanDatabases)).Children() {
		if old != nil && old.databases[name] != nil && old.databases[name].node == node {
			d.databases[name] = old.databases[name]
			continue
		}
		db := &Database{node: node}
		if node.Decode(&db.Database) != nil {
			continue // not ours to understand: it does not exist for clients
		}
		d.databases[name] = db
	}
	for db, collections := range plan.At(below(keys.PlanCollections)).Children() {
		d.byID[db], d.byName[db] = map[string]*Collection{}, map[string]*Collection{}
		for id, node := range collections.Children() {
			coll := decodeCollection(db, id, node, old)
			if coll == nil {
				continue
			}
			d.byID[db][id], d.byName[db][coll.Name] = coll, coll
		}
	}
	return d
}

// below is a key of Plan relative to Plan.
func below(key string) string { return strings.TrimPrefix(key, keys.Plan+"/") }

func decodeCollection(db, id string, node *agencyclient.Node, old *directory) *Collection {
	if old != nil && old.byID[db][id] != nil && old.byID[db][id].node == node {
		return old.byID[db][id]
	}
	coll := &Collection{Database: db, node: node}
	if node.Decode(&coll.Collection) != nil {
		return nil
	}
	for shard := range coll.Shards {
		coll.ShardNames = append(coll.ShardNames, shard)
	}
	slices.SortFunc(coll.ShardNames, byNumber)
	return coll
}

// byNumber orders shard names by their numbers: s9 before s10.
func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Database is a database by name, unless it is being built.
func (v *View) Database(name string) (*Database, bool) {
	db := v.dir.databases[name]
	return db, db != nil && !db.IsBuilding
}

// Databases are the names of all databases, sorted.
func (v *View) Databases() []string {
	names := []string{}
	for name, db := range v.dir.databases {
		if !db.IsBuilding {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Collection is a collection by name or id, unless it is being built.
func (v *View) Collection(db, name string) (*Collection, bool) {
	coll := v.dir.byName[db][name]
	if coll == nil {
		coll = v.dir.byID[db][name]
	}
	if coll == nil || coll.IsBuilding {
		return nil, false
	}
	_, ok := v.Database(db)
	return coll, ok
}

// Collections are all collections of a database, sorted by name.
func (v *View) Collections(db string) []*Collection {
	var all []*Collection
	for _, coll := range v.dir.byID[db] {
		if !coll.IsBuilding {
			all = append(all, coll)
		}
	}
	slices.SortFunc(all, func(a, b *Collection) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// DBServers are the ids of the planned DB servers, sorted.
func (v *View) DBServers() []string { return v.childrenOf(keys.PlanDBServers) }

// Coordinators are the ids of the planned coordinators, sorted.
func (v *View) Coordinators() []string { return v.childrenOf(keys.PlanCoordinators) }

func (v *View) childrenOf(key string) []string {
	var names []string
	for name := range v.root.At(key).Children() {
		names = append(names, name)
	}
	return names
}

// Registered is what a server said of itself when it registered.
func (v *View) Registered(server string) (keys.Registered, bool) {
	var r keys.Registered
	err := v.root.At(keys.ServerRegistered(server)).Decode(&r)
	return r, err == nil
}

// Known is a server's reboot id and, of a DB server, its epoch.
func (v *View) Known(server string) keys.Known {
	var k keys.Known
	_ = v.root.At(keys.ServerKnown(server)).Decode(&k) // missing: zero
	return k
}

// Health is the last change of a server's health.
func (v *View) Health(server string) (keys.HealthEntry, bool) {
	var h keys.HealthEntry
	err := v.root.At(keys.Health + "/" + server).Decode(&h)
	return h, err == nil
}

// Failed says that supervision has given the server up.
func (v *View) Failed(server string) bool {
	h, ok := v.Health(server)
	return ok && h.Status == keys.StatusFailed
}

// ShortName is what the cluster calls a server for people, "" if it does not.
func (v *View) ShortName(server string) string {
	return v.root.At(keys.ShortIDs + "/" + server + "/ShortName").Text()
}

// UsedBy is a shard that has a server in Plan, or in sync by Current, and which of
// the two; "" if there is none.
func (v *View) UsedBy(server string) (shard, where string) {
	is := func(s string) bool { return strings.TrimPrefix(s, keys.Resigned) == server }
	for db, collections := range v.dir.byID {
		for id, coll := range collections {
			for _, shard := range coll.ShardNames {
				if slices.ContainsFunc(coll.Shards[shard], is) {
					return shard, "Plan"
				}
				if r, ok := v.Report(db, id, shard); ok && slices.ContainsFunc(r.Servers, is) {
					return shard, "Current"
				}
			}
		}
	}
	return "", ""
}

// Node is the tree at a key.
func (v *View) Node(key string) *agencyclient.Node { return v.root.At(key) }

// URL is where a server is reached.
func (v *View) URL(server string) (string, bool) {
	r, ok := v.Registered(server)
	if !ok || r.Endpoint == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(r.Endpoint, "tcp://"); ok {
		return "http://" + rest, true
	}
	return strings.Replace(r.Endpoint, "ssl://", "https://", 1), true
}

// Converged is nil if every planned DB server has the data of the cluster's restore
// epoch open. Until then nothing of the data may be shown: it would be old and new mixed.
// A server that has FAILED shows nothing, and swaps its engine before it does again.
func (v *View) Converged() error {
	for _, server := range v.DBServers() {
		if has := v.Known(server).Epoch; has != v.Epoch && !v.Failed(server) {
			return apierror.New(apierror.BackendUnavailable,
				"a restore is being finished: DB server %s is at epoch %d, the cluster at %d", server, has, v.Epoch).WithStatus(503)
		}
	}
	return nil
}

// LockHolder says which backup or restore holds the agency lock, if one does.
func (v *View) LockHolder() (keys.Holder, bool) {
	if !v.root.At(keys.HotBackupCreate).Exists() {
		return keys.Holder{}, false
	}
	var h keys.Holder
	_ = v.root.At(keys.HotBackupHolder).Decode(&h) // a lock without a holder holds all the same
	return h, true
}

// Frozen says whether a backup or restore keeps Plan as it is now.
func (v *View) Frozen() bool { return agencyclient.Frozen(v.root) }
