package engine

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/engine/scrub"
	"stasis/internal/wall"
)

// Scrub has the engine read its tables now and then; see package scrub.
type Scrub struct {
	Hold  func() bool                   // nothing is read while it is true
	Found func(table string, why error) // called, once in a process, for each table that is damaged
	Wall  wall.Clock                    // when tables are read again
}

// startScrub begins to read the tables, if the engine is to do so.
func startScrub(e *Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	e.scrub = cancel
	o := e.options.Scrub
	if o == nil || e.fs.sums == nil {
		return
	}
	log := e.options.Logger
	s := &scrub.Scrubber{
		FS: e.fs.FS, Dir: e.dir, Book: e.fs.sums, Tables: func() ([]string, error) { return tablesOf(e) }, Check: checkBlocks, Wall: o.Wall,
		Hold: func() bool { return e.calls.hung() != nil || e.fs.current() != nil || o.Hold() },
		Found: func(table string, why error) {
			why = translate(why)
			log.Error("a table is damaged on the disk: backups of this server fail, and reads may; remove the server from the cluster, or restore", "dir", e.dir, "table", table, "error", why)
			o.Found(table, why)
		},
		Failed: func(err error) { log.Warn("tables are not scrubbed", "error", err) },
	}
	e.work.Go(func() { s.Run(ctx) })
}

// checkBlocks compares a table with the checksums of its blocks.
func checkBlocks(fs vfs.FS, path string) error {
	options := &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest}
	options.EnsureDefaults()
	return checkTable(fs, path, options.MakeReaderOptions())
}
