package topology

import (
	"fmt"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// Lagging names the DB servers in Plan that do not serve the epoch yet. It leaves out those that
// have FAILED.
func Lagging(root *agencyclient.Node, epoch uint64) []string {
	var out []string
	for id := range root.At(keys.PlanDBServers).Children() {
		var known keys.Known
		if err := root.At(keys.ServerKnown(id)).Decode(&known); (err != nil || known.Epoch < epoch) && !Failed(root, id) {
			out = append(out, fmt.Sprintf("%s has epoch %d of %d", id, known.Epoch, epoch))
		}
	}
	return out
}

// Leaderless names the shards in Plan without a leader that can get one while Plan is
// frozen: neither the planned leader, nor any server that it has to hear first, has FAILED.
func Leaderless(root *agencyclient.Node) []string {
	return shardsWithout(root, func(s unledShard) bool { return len(s.gone(root)) == 0 })
}

// Unled names all shards in Plan without a leader, and what each waits for.
func Unled(root *agencyclient.Node) []string {
	return shardsWithout(root, func(unledShard) bool { return true })
}

// unledShard is a shard without a leader.
type unledShard struct {
	label   string
	servers []string // planned, leader first
	report  keys.CurrentShardReport
	unread  error // report could not be read
}

func shardsWithout(root *agencyclient.Node, wanted func(unledShard) bool) []string {
	var out []string
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, n := range collections.Children() {
			var planned struct {
				Shards map[string][]string `json:"shards"`
			}
			if err := n.Decode(&planned); err != nil {
				out = append(out, fmt.Sprintf("collection %s/%s cannot be read: %v", db, cid, err))
				continue
			}
			for shard, servers := range planned.Shards {
				s := unledShard{label: fmt.Sprintf("shard %s of %s/%s", shard, db, cid), servers: servers}
				s.unread = root.At(keys.CurrentShard(db, cid, shard)).Decode(&s.report)
				if !s.led() && wanted(s) {
					out = append(out, s.label+" has no leader"+s.waits(root))
				}
			}
		}
	}
	return out
}

// led says whether the planned leader has reported. The report that a restore wrote does not
// count.
func (s unledShard) led() bool {
	return s.unread == nil && s.report.Restored == nil && !s.report.Error && len(s.servers) > 0 &&
		len(s.report.Servers) > 0 && s.report.Servers[0] == s.servers[0]
}

// gone returns the servers that have FAILED and without which the shard cannot have a leader: the
// planned leader, and all replicas if it is unknown which were in sync at the cut.
func (s unledShard) gone(root *agencyclient.Node) []string {
	var out []string
	for i, id := range s.servers {
		if id = strings.TrimPrefix(id, keys.Resigned); (i == 0 || s.report.Unsure()) && Failed(root, id) {
			out = append(out, id)
		}
	}
	return out
}

// waits says what the shard waits for, "" if that is unknown.
func (s unledShard) waits(root *agencyclient.Node) string {
	if s.unread != nil || s.report.Restored == nil {
		return ""
	}
	why := fmt.Sprintf(": it needs one of %s, which had every acknowledged write at the cut", names(root, s.report.Servers))
	if s.report.Unsure() {
		why = fmt.Sprintf(": the backup does not say which replicas were in sync at the cut, so it needs all of %s", names(root, s.report.Servers))
	}
	var down []string
	for _, id := range s.report.Servers {
		if Failed(root, id) {
			down = append(down, id)
		}
	}
	if len(down) > 0 {
		why += "; FAILED: " + names(root, down)
	}
	return why
}
