package dbserver

import (
	"context"
	"fmt"
	"time"

	"stasis/dbserver/diskhealth"
	"stasis/event"
	"stasis/internal/apierror"
)

// Operation is that of the events here.
const Operation = "dbserver"

// Steps of a DB server's life.
const (
	DiskHangs    event.Name = "disk hangs"
	DiskAnswers  event.Name = "disk answers again"
	DataReopened event.Name = "shards opened again"
)

const (
	// diskPart of the grace period is how old an unfinished operation may be before the
	// disk hangs. With a heartbeat and two rounds of the supervision another leads before
	// a grace period has passed since the disk stood still. That no two lead does not
	// depend on it; see keys.HungDisk.
	diskPart = 0.3

	// diskLeast is for short grace periods: a loaded disk may take so long.
	diskLeast = time.Second
)

// diskLimit is the age from which an unfinished operation means that the disk hangs.
func (s *Server) diskLimit(grace time.Duration) time.Duration {
	if d := s.config.Timing.DiskHang; d > 0 {
		return d
	}
	return max(time.Duration(diskPart*float64(grace)), diskLeast)
}

// watchDisk begins to watch the disk, and to probe it where nothing else writes.
func (s *Server) watchDisk() {
	s.health = diskhealth.NewWatch(s.diskChanged)
	s.health.SetLimit(s.diskLimit(diskhealth.DefaultLimit * 10 / 3))
	s.health.Probe(s.config.FS, s.dir.Path(diskhealth.ProbeFile), s.config.Timing.Probe, s.log.Named("disk"))
}

// diskChanged tells that the disk has begun to hang, or (nil) that it has ceased to.
func (s *Server) diskChanged(h *diskhealth.Hang) {
	e := event.Event{Operation: Operation, ID: s.id, Server: s.id, Step: DiskAnswers}
	if h != nil {
		e.Step, e.Detail = DiskHangs, h.String()
		s.log.Error("the disk hangs: leading nothing, writing nothing", "what", h)
	} else {
		s.log.Info("the disk answers again")
	}
	s.config.Steps.Emit(s.ctx, e)
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// reopen opens the shards again where calls were given up while the disk hung: what the
// objects here have in memory may not be what has come onto the disk since. Nothing that
// was acknowledged is concerned, for what was given up was not. Leaders begin anew.
func (s *Server) reopen(ctx context.Context) error {
	d := s.disk.data
	if d == nil || !s.disk.ready || s.health.Hang() != nil || d.env.Engine.Err() != nil || !d.broken() {
		return nil
	}
	why := apierror.New(apierror.ServiceUnavailable, "%s opens its shards again, since its disk hung", s.id)
	if err := s.access.shut(ctx, why); err != nil {
		return err
	}
	if !d.env.Engine.Settled() {
		return fmt.Errorf("open the shards again: the disk has not done yet what it was asked before it hung")
	}
	again, err := newData(d.env.Engine, s.disk.clock, s.asHome())
	if err != nil {
		return fmt.Errorf("open the shards again: %w", err)
	}
	s.disk.data, s.disk.seen = again, trees{}
	s.access.open(again)
	s.config.Steps.Emit(ctx, event.Event{Operation: Operation, ID: s.id, Server: s.id, Step: DataReopened})
	return nil
}

// unlessDiskHangs waits for the end of something that the disk may hold up. Where the disk
// hangs, and goes on to for Timing.Shutdown, it is left behind, with an error.
func (s *Server) unlessDiskHangs(what string, wait func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	ticker := time.NewTicker(shutdownTick)
	defer ticker.Stop()
	for hung := time.Duration(0); ; {
		select {
		case <-done:
			return nil
		case <-ticker.C:
		}
		hang := s.health.Hang()
		if hung += shutdownTick; hang == nil {
			hung = 0
		}
		if hung >= s.config.Timing.Shutdown {
			return fmt.Errorf("%s are left behind, and the last writes may not be on disk: %w", what, hang.Refusal())
		}
	}
}

// shutdownTick is how often a server that stops looks at its disk.
const shutdownTick = 50 * time.Millisecond
