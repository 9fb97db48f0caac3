package supervision

import (
	"time"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/wall"
)

// server is what this leader has seen of one server of Plan.
type server struct {
	id            string
	plan          string         // its key in Plan
	isCoordinator bool           // otherwise it is a DB server
	first         time.Time      // when this leader first saw it in Plan
	beat          *fsm.Node      // the last heartbeat
	seen          time.Time      // when that was first seen
	heard         bool           // a heartbeat has arrived since first
	hang          *keys.HungDisk // what the last heartbeat says of a disk that hangs; nil: it does not
}

// hear takes a heartbeat. A heartbeat that says that the disk hangs is no sign of life: the
// server renews no lease by it.
func (s *server) hear(beat *fsm.Node, now time.Time) {
	s.beat, s.hang = beat, nil
	var b keys.Heartbeat
	if beat.Decode(&b) == nil && b.Disk != nil {
		s.hang = b.Disk
		return
	}
	s.seen, s.heard = now, true
}

// gaveUp says that the server has no lease: its disk hangs, it has said so, and it has neither
// been started nor taken a lease since. The tree has to be older than the heartbeat, and a record
// that leans on this has to require ServersKnown as in the tree.
func (s *server) gaveUp(root *fsm.Node) bool {
	var known keys.Known
	return s.hang != nil && root.At(keys.ServerKnown(s.id)).Decode(&known) == nil &&
		known.RebootID == s.hang.RebootID && known.Leases == s.hang.Leases
}

// entry describes the server with its status.
func (s *server) entry(root *fsm.Node, status string, now time.Time, clock wall.Clock) keys.HealthEntry {
	registered := root.At(keys.ServerRegistered(s.id))
	e := keys.HealthEntry{
		ShortName:          root.At(keys.ShortIDs + "/" + s.id + "/ShortName").Text(),
		Endpoint:           registered.At("endpoint").Text(),
		AdvertisedEndpoint: registered.At("advertisedEndpoint").Text(),
		Host:               registered.At("host").Text(),
		Version:            registered.At("versionString").Text(),
		Engine:             registered.At("engine").Text(),
		SyncStatus:         "UNKNOWN",
		Status:             status,
		Timestamp:          stamp(clock.Of(now)),
	}
	if s.hang != nil {
		e.Disk = "hangs " + s.hang.Hangs
	}
	if s.heard {
		e.SyncStatus = s.beat.At("status").Text()
		e.SyncTime = s.beat.At("time").Text()
		e.LastAckedTime = stamp(clock.Of(s.seen))
	}
	return e
}
