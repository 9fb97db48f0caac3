package dbserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// leasePart of the supervision's grace period is how long a lease lasts. What is left
// is for clocks that do not run alike.
const leasePart = 0.7

// lease is this server's right to serve as leader. It ends before the supervision may
// name another leader in its place:
//
//   - An answer to a heartbeat says that the agency's leader, which was one after it
//     had the heartbeat, counts the grace period from it or from later. So no verdict
//     on this server falls before the heartbeat was sent plus the grace period, as
//     long as the lease before had not ended when the answer came.
//   - If it had, a verdict may be on its way that was reached before the heartbeat. A
//     counter is raised then, by a replicated write: verdicts name the counter that
//     they were reached with, so one on its way comes to nothing. And the watch cache
//     must have reached that write, and the leaders here have been told what it has of
//     Plan, to know what was decided in the time without lease.
//
// Times are of this machine's clock alone (clock.go), which should go on while the machine
// is suspended. If the wall clock says that it did not, or was itself set, the lease is
// given up, and taken anew like one that has ended.
type lease struct {
	registered chan struct{} // closed when this server is
	clock      Clock

	mu       sync.Mutex
	from     moment        // when the heartbeat was sent that the lease comes from
	length   time.Duration // 0: there is no lease
	followed uint64        // index of the agency's tree up to which Plan has been followed
	news     chan struct{} // closed when that rises; nil while nobody waits
}

// hasFollowed notes that the leaders here know Plan as it was at an index.
func (l *lease) hasFollowed(index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followed = index
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// awaitFollowed waits until Plan has been followed up to an index.
func (l *lease) awaitFollowed(ctx context.Context, index uint64) error {
	for {
		l.mu.Lock()
		if l.followed >= index {
			l.mu.Unlock()
			return nil
		}
		if l.news == nil {
			l.news = make(chan struct{})
		}
		news := l.news
		l.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait until Plan is followed: %w", context.Cause(ctx))
		}
	}
}

// check is nil while the lease lasts.
func (l *lease) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	age, parted := l.clock.look().since(l.from)
	if parted {
		l.length = 0
	}
	if age < l.length {
		return nil
	}
	return apierror.New(apierror.NoLeader, "this server has had no answer from the agency for too long to lead anything")
}

// giveUp ends the lease now. It is taken anew as one that has run out is.
func (l *lease) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.length = 0
}

// lasts is for an answer to a heartbeat that was sent then. If the clocks have parted
// since, it is worth nothing.
func (l *lease) lasts(sent moment, length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, parted := l.clock.look().since(sent); parted {
		return
	}
	if l.length == 0 || sent.elapsed+length > l.from.elapsed+l.length {
		l.from, l.length = sent, length
	}
}

// beat sends heartbeats, and renews the lease by their answers. One that fails is not
// repeated: the next one follows.
func (s *Server) beat(ctx context.Context) error {
	ticker := time.NewTicker(s.config.Timing.Heartbeat)
	defer ticker.Stop()
	registered := s.lease.registered
	for {
		sent := s.lease.clock.look()
		limited, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
		beat := s.heartbeat()
		err := agencyclient.Beat(limited, s.agency, s.id, beat)
		if err == nil {
			err = failpoint.Hit(limited, "dbserver/lease/answered", s.id)
		}
		if err == nil && beat.Disk == nil {
			err = s.renew(limited, sent)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			s.log.Debug("heartbeat", "error", err)
		}
		select {
		case <-ticker.C:
		case <-registered:
			registered = nil
		case <-ctx.Done():
			return nil
		}
	}
}

// heartbeat is what this server says of itself. Where the disk hangs the lease is given up
// first, so that another may lead at once; see keys.HungDisk. The cache has the last lease
// that was taken, or it would not have been.
func (s *Server) heartbeat() keys.Heartbeat {
	beat := keys.Heartbeat{Status: s.status()}
	if hang := s.health.Hang(); hang != nil {
		s.lease.giveUp()
		var known keys.Known
		if err := s.cache.Snapshot().Root.At(keys.ServerKnown(s.id)).Decode(&known); err != nil {
			s.log.Debug("heartbeat: not known yet", "error", err)
		}
		beat.Disk = &keys.HungDisk{Hangs: hang.String(), RebootID: s.reboot.Load(), Leases: known.Leases}
	}
	return beat
}

// mayLead is nil while this server may serve as a leader: it has its lease, and a disk
// that lives.
func (s *Server) mayLead() error {
	if hang := s.health.Hang(); hang != nil {
		return apierror.New(apierror.NoLeader, "the disk of this server hangs %s: it leads nothing meanwhile", hang)
	}
	return s.lease.check()
}

// renew lengthens the lease by a heartbeat sent then, or takes it anew.
func (s *Server) renew(ctx context.Context, sent moment) error {
	var grace float64
	node := s.cache.Snapshot().Root.At(keys.SupervisionGrace)
	if node.Decode(&grace) != nil || s.reboot.Load() == 0 {
		return nil // not supervised yet, or not registered
	}
	if failpoint.Off("lease-from-sending") {
		sent = s.lease.clock.look()
	}
	s.health.SetLimit(s.diskLimit(time.Duration(grace * float64(time.Second))))
	length := time.Duration(leasePart * grace * float64(time.Second))
	if s.lease.check() == nil {
		s.lease.lasts(sent, length)
		return nil
	}
	index, err := s.agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{keys.ServerKnown(s.id) + "/leases": agencyclient.Increment(1)},
		Pre: map[string]any{keys.ServerKnown(s.id) + "/rebootId": agencyclient.Old(s.reboot.Load())},
	})
	if err != nil {
		return fmt.Errorf("take the lease anew: %w", err)
	}
	if failpoint.Off("lease-awaits-followed") {
		index = 0
	}
	if err := s.lease.awaitFollowed(ctx, index); err != nil {
		return fmt.Errorf("take the lease anew: %w", err)
	}
	s.lease.lasts(sent, length)
	return nil
}
