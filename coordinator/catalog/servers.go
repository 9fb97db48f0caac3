package catalog

import (
	"strings"

	"stasis/agency/keys"
	"stasis/internal/apierror"
)

// DBServers returns the ids of the planned DB servers, sorted.
func (snap *Snapshot) DBServers() []string { return snap.childrenOf(keys.PlanDBServers) }

// Coordinators returns the ids of the planned coordinators, sorted.
func (snap *Snapshot) Coordinators() []string { return snap.childrenOf(keys.PlanCoordinators) }

func (snap *Snapshot) childrenOf(key string) []string {
	var names []string
	for name := range snap.root.At(key).Children() {
		names = append(names, name)
	}
	return names
}

// Registered is what a server wrote about itself when it registered.
func (snap *Snapshot) Registered(server string) (keys.Registered, bool) {
	var r keys.Registered
	err := snap.root.At(keys.ServerRegistered(server)).Decode(&r)
	return r, err == nil
}

// Known is a server's reboot id and, of a DB server, its epoch. It is zero for a server that
// is not known.
func (snap *Snapshot) Known(server string) keys.Known {
	var k keys.Known
	_ = snap.root.At(keys.ServerKnown(server)).Decode(&k)
	return k
}

// Health is the last change of a server's health.
func (snap *Snapshot) Health(server string) (keys.HealthEntry, bool) {
	var h keys.HealthEntry
	err := snap.root.At(keys.Health + "/" + server).Decode(&h)
	return h, err == nil
}

// Failed says whether the supervision has given the server up.
func (snap *Snapshot) Failed(server string) bool {
	h, ok := snap.Health(server)
	return ok && h.Status == keys.StatusFailed
}

// ShortName is the name of a server that people use, "" if it has none.
func (snap *Snapshot) ShortName(server string) string {
	return snap.root.At(keys.ShortIDs + "/" + server + "/ShortName").Text()
}

// Name is the name that a server was started with, "" if it has none.
func (snap *Snapshot) Name(server string) string {
	return snap.root.At(keys.ServerRegistered(server) + "/name").Text()
}

// URL returns the address of a registered server. Every operation asks for it, so it decodes nothing.
func (snap *Snapshot) URL(server string) (string, bool) {
	endpoint := snap.root.At(keys.ServerRegistered(server) + "/endpoint").Text()
	if endpoint == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		return "http://" + rest, true
	}
	return strings.Replace(endpoint, "ssl://", "https://", 1), true
}

// Available returns the DB servers that may get shards, sorted: those that have not failed,
// whose disk does not hang, and that are neither cleaned out nor about to be.
func (snap *Snapshot) Available() []string {
	leaving := map[string]bool{}
	for _, key := range []string{keys.CleanedServers, keys.ToBeCleaned} {
		var ids []string
		_ = snap.root.At(key).Decode(&ids) // missing: none
		for _, id := range ids {
			leaving[id] = true
		}
	}
	var all []string
	for _, server := range snap.DBServers() {
		if h, _ := snap.Health(server); h.Status != keys.StatusFailed && h.Disk == "" && !leaving[server] {
			all = append(all, server)
		}
	}
	return all
}

// Converged is nil if every planned DB server has opened the data of the cluster's restore
// epoch. Until then no data may be shown: it would be old and new mixed. A server that has
// FAILED shows nothing, and swaps its engine before it does so again.
func (snap *Snapshot) Converged() error {
	for _, server := range snap.DBServers() {
		epoch, _ := snap.root.At(keys.ServerKnown(server) + "/epoch").Int() // decodes nothing: every operation looks
		if has := uint64(max(epoch, 0)); has != snap.Epoch && !snap.Failed(server) {
			return apierror.New(apierror.BackendUnavailable,
				"a restore is being finished: DB server %s is at epoch %d, the cluster at %d", server, has, snap.Epoch).WithStatus(503)
		}
	}
	return nil
}
