package diskhealth

import (
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
)

// ProbeFile is the name of the file that a server writes to find out whether its disk
// lives.
const ProbeFile = ".disk-probe"

// probe writes and syncs a few bytes now and then, in a goroutine of its own, since the disk may
// hold it up for any time.
type probe struct {
	fs    vfs.FS
	path  string
	every time.Duration
	log   hclog.Logger
	done  chan struct{}
	file  vfs.File // open between two probes; nil after an error
}

// Probe begins to write path on fs, whenever nothing has been synced for so long. Call
// it at most once, before Close.
func (w *Watch) Probe(on vfs.FS, path string, every time.Duration, log hclog.Logger) {
	p := &probe{fs: w.FS(on), path: path, every: every, log: log, done: make(chan struct{})}
	w.probing = func() { p.close(w) }
	go p.run(w)
}

func (p *probe) run(w *Watch) {
	defer close(p.done)
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	last := ""
	for {
		if time.Since(w.lastSync()) >= p.every {
			last = p.complain(p.write(), last)
		}
		select {
		case <-ticker.C:
		case <-w.stop:
			p.remove()
			return
		}
	}
}

// write overwrites the few bytes in place: the file takes one block, and a sync of it
// changes no directory.
func (p *probe) write() (err error) {
	if p.file == nil {
		if p.file, err = p.fs.OpenReadWrite(p.path, vfs.WriteCategoryUnspecified); err != nil {
			p.file = nil
			return err
		}
	}
	if _, err = p.file.WriteAt([]byte(time.Now().UTC().Format(time.RFC3339)), 0); err == nil {
		err = p.file.SyncData()
	}
	if err != nil {
		err = errors.Join(err, p.file.Close())
		p.file = nil
	}
	return err
}

// complain logs an error once, until it changes. An error is no hang: the disk has answered.
// Writers of data meet the error too, and handle it.
func (p *probe) complain(err error, last string) string {
	if err == nil {
		return ""
	}
	if err.Error() != last && !errors.Is(err, syscall.ENOSPC) {
		p.log.Warn("the disk answers the probe with an error", "path", p.path, "error", err)
	}
	return err.Error()
}

func (p *probe) remove() {
	var err error
	if p.file != nil {
		err = p.file.Close()
	}
	if rerr := p.fs.Remove(p.path); !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if err != nil {
		p.log.Warn("the disk's probe file stays", "path", p.path, "error", err)
	}
}

// close waits until the probe's goroutine has ended. A goroutine that the disk holds up is left
// behind: it ends when the disk answers, or with the process.
func (p *probe) close(w *Watch) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-ticker.C:
			if h := w.Hang(); h != nil {
				p.log.Error("the disk's probe is left behind", "disk hangs", h)
				return
			}
		}
	}
}
