package engine

import (
	"errors"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/go-hclog"
)

// Open opens the engine in dir, and makes it if it is missing (unless MustExist). The
// directory is locked: a second Open returns an error until Close.
func Open(dir string, o Options) (*Engine, error) {
	o = o.withDefaults()
	e := &Engine{
		dir: dir, options: o, fs: &cutFS{FS: o.FS},
		fail: newFailure(o.Logger), cutting: make(chan struct{}, 1),
	}
	e.calls.watch, e.calls.fail, e.calls.log, e.calls.work = o.Health, e.fail, o.Logger, &e.work
	switch {
	case o.ReadOnly:
		e.fs.FS = readOnlyFS{o.FS}
	case o.Health != nil:
		e.fs.FS = o.Health.FS(o.FS)
	}
	e.fs.space = &spaceFS{FS: e.fs.FS, log: o.Logger}
	err := e.fail.guard(func() (err error) {
		popts := o.pebble(e.fs, pebbleLogger{e.fail}, events(o.Logger, &e.lastLog))
		e.db, err = pebble.Open(dir, popts)
		return err
	})
	if err != nil {
		return nil, &DirError{"open", dir, translate(err)}
	}
	e.writes = newPipeline(e.db, e.fail)
	e.syncer = newSyncer(e.syncLog, o.SyncInterval, e.fail)
	if err := e.loadEpoch(); err != nil {
		return nil, errors.Join(&DirError{"open", dir, err}, e.Close())
	}
	return e, nil
}

// events are Pebble's reports that the engine follows. lastLog gets the number of each new
// log.
func events(log hclog.Logger, lastLog *atomic.Uint64) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { log.Error("flush or compaction", "error", err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			log.Error("corrupt file", "path", i.Path, "error", i.Details)
		},
		DiskSlow:        func(i pebble.DiskSlowInfo) { log.Warn("disk is slow", "operation", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { log.Warn("writers stall", "reason", i.Reason) },
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err == nil {
				lastLog.Store(uint64(i.FileNum))
			}
		},
	}
}
