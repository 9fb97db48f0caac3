package backup

import (
	"fmt"
	"strings"

	agency "stasis/agency/client"
	"stasis/agency/keys"
)

// leaderless names the shards in Plan whose planned leader has not reported them, and may
// be expected to while Plan is frozen: neither it, nor any server that it has to hear first,
// has FAILED.
func leaderless(root *agency.Node) []string {
	return shardsWithout(root, func(s unledShard) bool { return len(s.gone(root)) == 0 })
}

// unled names all shards in Plan that are not led, and what each waits for.
func unled(root *agency.Node) []string {
	return shardsWithout(root, func(unledShard) bool { return true })
}

// unledShard is one without a leader. unread: its collection cannot be read.
type unledShard struct {
	label   string
	servers []string // planned, leader first
	report  keys.CurrentShardReport
	unread  error
}

func shardsWithout(root *agency.Node, wanted func(unledShard) bool) []string {
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

// led says that the planned leader has reported. What the restore wrote is no leader's.
func (s unledShard) led() bool {
	return s.unread == nil && s.report.Restored == nil && !s.report.Error && len(s.servers) > 0 &&
		len(s.report.Servers) > 0 && s.report.Servers[0] == s.servers[0]
}

// gone are the servers that have FAILED of those without which the shard cannot be led: its
// leader, and if it is not known who was in sync at the cut, all its replicas.
func (s unledShard) gone(root *agency.Node) []string {
	var out []string
	for i, id := range s.servers {
		if id = strings.TrimPrefix(id, keys.Resigned); (i == 0 || s.report.Unsure()) && failed(root, id) {
			out = append(out, id)
		}
	}
	return out
}

// waits says what the shard waits for, if that can be told.
func (s unledShard) waits(root *agency.Node) string {
	if s.unread != nil || s.report.Restored == nil {
		return ""
	}
	why := fmt.Sprintf(": of %s, which had every write in sync at the cut, one has to be there", s.named(root, s.report.Servers))
	if s.report.Unsure() {
		why = fmt.Sprintf(": the backup does not say who was in sync at the cut, so all of %s have to be heard first", s.named(root, s.report.Servers))
	}
	var down []string
	for _, id := range s.report.Servers {
		if failed(root, id) {
			down = append(down, id)
		}
	}
	if len(down) > 0 {
		why += "; FAILED: " + s.named(root, down)
	}
	return why
}

func (s unledShard) named(root *agency.Node, servers []string) string {
	names := make([]string, len(servers))
	for i, id := range servers {
		names[i] = nameOf(root, id)
	}
	return strings.Join(names, ", ")
}
