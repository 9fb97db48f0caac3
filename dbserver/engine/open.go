package engine

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"stasis/dbserver/engine/sums"
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
	if !o.ReadOnly {
		e.fs.sums = sums.New(e.fs.FS, dir, o.Logger)
	}
	err := e.fail.guard(func() (err error) {
		popts := o.pebble(e.fs, pebbleLogger{e.fail}, events(e))
		e.db, err = pebble.Open(dir, popts)
		return err
	})
	if err != nil {
		return nil, &DirError{"open", dir, translate(err)}
	}
	e.writes = newPipeline(e.db, e.fail)
	e.syncer = newSyncer(e.syncLog, o.SyncInterval, e.fail)
	keepSums(e)
	startScrub(e)
	if err := loadEpoch(e); err != nil {
		return nil, errors.Join(&DirError{"open", dir, err}, e.Close())
	}
	return e, nil
}

// events are Pebble's reports that the engine follows: the number of each new log, and the tables that its
// version gets.
func events(e *Engine) *pebble.EventListener {
	log := e.options.Logger
	installed := func(err error, tables []pebble.TableInfo) {
		if err != nil {
			return
		}
		for _, t := range tables {
			e.fs.sums.Installed(tableName(uint64(t.FileNum)))
		}
	}
	return &pebble.EventListener{
		BackgroundError: func(err error) { log.Error("flush or compaction", "error", err) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			log.Error("corrupt file", "path", i.Path, "error", i.Details)
		},
		DiskSlow:        func(i pebble.DiskSlowInfo) { log.Warn("disk is slow", "operation", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { log.Warn("writers stall", "reason", i.Reason) },
		FlushEnd:        func(i pebble.FlushInfo) { installed(i.Err, i.Output) },
		CompactionEnd:   func(i pebble.CompactionInfo) { installed(i.Err, i.Output.Tables) },
		WALCreated: func(i pebble.WALCreateInfo) {
			if i.Err == nil {
				e.lastLog.Store(uint64(i.FileNum))
			}
		},
	}
}
