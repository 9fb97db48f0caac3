package dbserver

import (
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/diskhealth"
	"stasis/event"
)

const (
	// diskPart of the grace period is how old an unfinished operation may be before the
	// disk hangs. With a heartbeat and two rounds of the supervision another leads before
	// a grace period has passed since the disk stood still. That no two lead does not
	// depend on it; see keys.HungDisk.
	diskPart = 0.3

	// diskLeast is for short grace periods: a loaded disk may take so long.
	diskLeast = time.Second

	// shutdownTick is how often a server that stops looks at its disk.
	shutdownTick = 50 * time.Millisecond
)

// disk is the server's disk: whether it hangs, and what that means for the server.
type disk struct {
	watch *diskhealth.Watch
	limit time.Duration // configured; 0: a part of the grace period
	woken chan struct{} // holds a token when the disk has begun or ceased to hang
	emit  func(step event.Name, detail string)
	log   hclog.Logger
}

// watchDisk begins to watch the disk, and to probe it while nothing else is written.
func watchDisk(c Config, probe string, log hclog.Logger, emit func(event.Name, string)) *disk {
	d := &disk{limit: c.Timing.DiskHang, woken: make(chan struct{}, 1), emit: emit, log: log}
	d.watch = diskhealth.NewWatch(d.changed)
	d.watch.SetLimit(diskhealth.DefaultLimit)
	if d.limit > 0 {
		d.watch.SetLimit(d.limit)
	}
	d.watch.Probe(c.FS, probe, c.Timing.Probe, log.Named("disk"))
	return d
}

// Hang is the operation that hangs; nil while the disk does not hang.
func (d *disk) Hang() *diskhealth.Hang { return d.watch.Hang() }

// SetGrace sets the limit by the supervision's grace period, unless the limit is configured.
func (d *disk) SetGrace(period time.Duration) {
	if d.limit > 0 {
		return
	}
	d.watch.SetLimit(max(time.Duration(diskPart*float64(period)), diskLeast))
}

// changed is called when the disk has begun to hang, or (nil) when it has ceased to.
func (d *disk) changed(h *diskhealth.Hang) {
	if h != nil {
		d.log.Error("the disk hangs: leading nothing, writing nothing", "what", h)
		d.emit(event.DiskHangs, h.String())
	} else {
		d.log.Info("the disk answers again")
		d.emit(event.DiskAnswers, "")
	}
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// unlessHangs waits for the end of something that the disk may hold up. If the disk hangs for
// patience without a break, the wait ends with an error, and what was waited for is left
// behind: it ends when the disk answers, or with the process.
func (d *disk) unlessHangs(what string, patience time.Duration, wait func()) error {
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
		hang := d.Hang()
		if hung += shutdownTick; hang == nil {
			hung = 0
		}
		if hung >= patience {
			return fmt.Errorf("%s are left behind, and the last writes may not be on disk: %w", what, hang.Refusal())
		}
	}
}
