package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

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
		FS: e.fs.FS, Dir: e.dir, Book: e.fs.sums, Tables: func() ([]string, error) { return tablesOf(e) }, Check: checkForScrub, Wall: o.Wall,
		Hold: func() bool { return e.calls.hung() != nil || e.fs.current() != nil || o.Hold() },
		Found: func(table string, why error) {
			why = translate(why)
			log.Error("a table is damaged on the disk: backups of this server fail, and reads may; remove the server from the cluster, or restore", "dir", e.dir, "table", table, "error", why)
			o.Found(table, why)
		},
		Failed: func(err error) {
			log.Warn("a scrub cannot say whether a table is damaged, and tries again later", "error", err)
		},
	}
	e.work.Go(func() { s.Run(ctx) })
}

// checkForScrub tells damage from what keeps a table from being read now.
func checkForScrub(disk vfs.FS, path string) error {
	err := checkBlocks(disk, path)
	if err != nil && pebble.IsCorruptionError(err) {
		return scrub.Damage(err)
	}
	return err
}

// Scrubbed is what scrubs have found in the engine's tables so far.
type Scrubbed struct {
	Tables  int
	Unread  int       // tables that no scrub has read yet
	Oldest  time.Time // each of the other tables was read without finding damage at this time or later; zero: there is none
	Damaged []DamagedTable
}

// DamagedTable is a table that is not what was written.
type DamagedTable struct {
	Name string
	Why  error
}

// Scrubbed says how far scrubs have come. Damage that was found before the engine was opened is known when
// the table has been read again.
func (e *Engine) Scrubbed() (s Scrubbed, err error) {
	if err := e.enter(); err != nil {
		return s, err
	}
	defer e.leave()
	names, err := tablesOf(e)
	if err != nil {
		return s, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	s.Tables = len(names)
	book := e.fs.sums
	for _, name := range names {
		if why := book.Damage(name); why != nil {
			s.Damaged = append(s.Damaged, DamagedTable{name, translate(why)})
			continue
		}
		at := book.LastRead(name)
		if at.IsZero() {
			s.Unread++
		} else if s.Oldest.IsZero() || at.Before(s.Oldest) {
			s.Oldest = at
		}
	}
	return s, nil
}

// refuseDamage is the error with which a cut is refused that would have a table that is known to be damaged.
func refuseDamage(e *Engine) error {
	if !e.fs.sums.AnyDamage() {
		return nil
	}
	s, err := e.Scrubbed()
	if err != nil || len(s.Damaged) == 0 {
		return err
	}
	return fmt.Errorf("table %s is damaged: %w", s.Damaged[0].Name, s.Damaged[0].Why)
}
