package facts

import (
	"stasis/agency/keys"
	"stasis/fsm"
)

// Read makes the snapshot of a tree. It takes unchanged collections from the cache, and
// leaves in it those of this tree.
func Read(root *fsm.Node, cache *Cache) *Snapshot {
	s := &Snapshot{
		Root: root, Frozen: fsm.Frozen(root),
		LockAwaited: root.At(keys.HotBackupWaiting).Len() > 0 && !root.At(keys.HotBackupCreate).Exists(),
		health:      map[string]string{}, draining: map[string]bool{}, resigning: map[string]bool{}, maintained: map[string]bool{},
		named: map[string]*Shard{}, jobs: map[string][]Job{},
	}
	s.readServers()
	s.Shards = cache.read(root)
	for _, shard := range s.Shards {
		s.named[shard.Name] = shard
	}
	s.ToDo, s.Pending = readQueue(root, keys.TargetToDo), readQueue(root, keys.TargetPending)
	for _, j := range s.Open() {
		if name := j.Record.Shard; name != "" {
			s.jobs[name] = append(s.jobs[name], j)
		}
	}
	for _, j := range s.Pending {
		if j.Record.Type == keys.JobResignLeadership {
			s.resigning[j.Record.Server] = true
		}
	}
	return s
}

func (s *Snapshot) readServers() {
	for id := range s.Root.At(keys.PlanDBServers).Children() {
		s.Servers = append(s.Servers, id)
		s.health[id] = s.Root.At(keys.ServerHealth(id) + "/Status").Text()
	}
	for _, list := range drainLists {
		for _, id := range texts(s.Root.At(list)) {
			s.draining[id] = true
		}
	}
	for id := range s.Root.At(keys.CurrentMaintenance).Children() {
		s.maintained[id] = true
	}
}
