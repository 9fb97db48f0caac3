package facts

import (
	"slices"
	"strings"

	"stasis/agency/keys"
)

// OnShard is the jobs of a shard that have not ended.
func (s *Snapshot) OnShard(shard *Shard) []Job { return s.jobs[shard.Name] }

// Children is the jobs of a parent that have not ended.
func (s *Snapshot) Children(parent string) []Job {
	return slices.DeleteFunc(s.Open(), func(j Job) bool { return j.Record.ParentJob != parent })
}

// FailedChildren is the jobs of a parent that have failed, in the order of their keys.
func (s *Snapshot) FailedChildren(parent string) []keys.Job {
	var all []keys.Job
	for id, n := range s.Root.At(keys.TargetFailed).Children() {
		var j keys.Job
		if strings.HasPrefix(id, parent+"-") && n.Decode(&j) == nil {
			all = append(all, j)
		}
	}
	return all
}

// NextChild is the first number that no child of the parent has, in any queue. The numbers of
// ended children are not used again: their records say why they ended.
func (s *Snapshot) NextChild(parent string) uint64 {
	var last uint64
	for _, queue := range queues {
		for id := range s.Root.At(queue).Children() {
			if _, child := sequence(id); strings.HasPrefix(id, parent+"-") {
				last = max(last, child)
			}
		}
	}
	return last + 1
}
