package facts

import (
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// drainLists name the servers that get nothing new.
var drainLists = []string{keys.ToBeCleaned, keys.CleanedServers}

// texts reads an array of strings; any other value has none.
func texts(n *fsm.Node) []string {
	var all []string
	if n.Decode(&all) != nil {
		return nil
	}
	return all
}

// Planned says that the server is a DB server of Plan.
func (s *Snapshot) Planned(server string) bool { return slices.Contains(s.Servers, server) }

// Health is the server's recorded status, "" if there is none.
func (s *Snapshot) Health(server string) string { return s.health[server] }

// Draining says that the server is cleaned out, or being cleaned out: it gets nothing new.
func (s *Snapshot) Draining(server string) bool { return s.draining[server] }

// ToBeCleaned says that a clean-out of the server has begun.
func (s *Snapshot) ToBeCleaned(server string) bool {
	return slices.Contains(texts(s.Root.At(keys.ToBeCleaned)), server)
}

// Cleaned says that the server was cleaned out.
func (s *Snapshot) Cleaned(server string) bool {
	return slices.Contains(texts(s.Root.At(keys.CleanedServers)), server)
}

// Resigning says that a pending job takes all leaderships away from the server.
func (s *Snapshot) Resigning(server string) bool { return s.resigning[server] }

// InMaintenance says that a failure of the server is to have no consequences.
func (s *Snapshot) InMaintenance(server string) bool { return s.maintained[server] }

// Good says that the server's recorded status is GOOD.
func (s *Snapshot) Good(server string) bool { return s.health[server] == keys.StatusGood }

// Failed says that the server's failure is on record, and that the server has neither been
// started nor taken a serving lease since.
//
// The record alone is not enough. A server that comes back takes its lease before the failure
// detector has noticed the heartbeat, and serves from then on: it raises its entry in
// ServersKnown first, and the record carries the entry by which the server was judged.
func (s *Snapshot) Failed(server string) bool {
	return s.health[server] == keys.StatusFailed &&
		fsm.Equal(s.Root.At(keys.ServerHealth(server)+"/Known"), s.Root.At(keys.ServerKnown(server)))
}

// RequireFailed is the precondition that the server has failed, as Failed has it.
func (s *Snapshot) RequireFailed(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.ServerHealth(server)+"/Status"] = agencyclient.Old(keys.StatusFailed)
	if !failpoint.Off("failure-still-stands") {
		tx.Pre[keys.ServerKnown(server)] = agencyclient.Exactly(s.Root.At(keys.ServerKnown(server)))
	}
}

// RequireGood is the precondition that the server's recorded status is GOOD.
func RequireGood(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.ServerHealth(server)+"/Status"] = agencyclient.Old(keys.StatusGood)
}

// RequirePlanned is the precondition that the server is a DB server of Plan.
func RequirePlanned(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.PlanDBServers+"/"+server] = agencyclient.OldEmpty(false)
}

// RequireDrains is the precondition that no clean-out has begun or ended. It names whole
// lists: it is refused more often than need be, and never too rarely.
func (s *Snapshot) RequireDrains(tx *agencyclient.Tx) {
	for _, list := range drainLists {
		tx.Pre[list] = agencyclient.Exactly(s.Root.At(list))
	}
}

// RequireStays is the precondition that the server is a DB server of Plan, and that its
// clean-out has not begun.
func (s *Snapshot) RequireStays(tx *agencyclient.Tx, server string) {
	RequirePlanned(tx, server)
	s.RequireDrains(tx)
}

// RebootID is the number of the server's last start; ok is false if it has none on record.
func (s *Snapshot) RebootID(server string) (id uint64, ok bool) {
	n, ok := s.RebootNode(server).Int()
	return uint64(max(n, 0)), ok && n >= 0
}

// RebootNode is the value that holds the server's reboot id.
func (s *Snapshot) RebootNode(server string) *fsm.Node { return s.Root.At(rebootKey(server)) }

func rebootKey(server string) string { return keys.ServerKnown(server) + "/rebootId" }

// RequireNotRestarted is the precondition that the server has not been started since the tree
// was read. If the server is trusted with a shard in the snapshot, it is trusted then.
func (s *Snapshot) RequireNotRestarted(tx *agencyclient.Tx, server string) {
	tx.Pre[rebootKey(server)] = agencyclient.Exactly(s.RebootNode(server))
}
