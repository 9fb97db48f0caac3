package engine

import (
	"context"

	"stasis/dbserver/engine/scrub"
)

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
