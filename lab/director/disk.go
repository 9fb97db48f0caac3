package director

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"stasis/fault"
	"stasis/lab/scenario"
	"stasis/lab/world"
)

// calls are the kinds of calls to a disk, by the words of the language.
var calls = map[string]fault.Kind{
	"": 0, "changes": fault.Changes, "creates": fault.Create, "writes": fault.Write, "syncs": fault.Sync, "renames": fault.Rename,
	"links": fault.Link, "removes": fault.Remove, "mkdirs": fault.Mkdir, "opens": fault.Open, "reads": fault.Read, "lists": fault.List, "stats": fault.Stat, "any": fault.Any,
}

// breakDisks breaks the disks that an action names.
func breakDisks(ctx context.Context, s *stage, d deed) error {
	about := fault.Calls{Kinds: calls[d.Args["calls"]], After: scenario.Count(d.Args["count"])}
	return s.each(ctx, d, func(server string) error {
		disk, err := s.world.Disk(server)
		if err != nil {
			return err
		}
		met, err := breakDisk(disk, d, about)
		return s.faults.keep(d.record, met, err)
	})
}

// breaker is what can be broken like a disk: one, or the remote.
type breaker interface {
	Hang(calls fault.Calls) (world.Met, error)
	Slow(calls fault.Calls, each time.Duration) (world.Met, error)
	Fail(calls fault.Calls, err error) (world.Met, error)
	Fill(calls fault.Calls, bytes int64) (world.Met, error)
}

// breakRemote breaks the remote storage.
func breakRemote(_ context.Context, s *stage, d deed) error {
	about := fault.Calls{Kinds: calls[d.Args["calls"]], After: scenario.Count(d.Args["count"])}
	met, err := breakDisk(s.world.Remote(), d, about)
	return s.faults.keep(d.record, met, err)
}

func breakDisk(disk breaker, d deed, about fault.Calls) (world.Met, error) {
	verb, _, _ := strings.Cut(d.Verb, " ")
	switch verb {
	case "hang":
		return disk.Hang(about)
	case "slow":
		return disk.Slow(about, scenario.Time(d.Args["time"]))
	case "fail":
		return disk.Fail(about, syscall.EIO)
	case "fill":
		return disk.Fill(about, scenario.Bytes(d.Args["amount"]))
	}
	if whole, ok := disk.(world.Disk); ok && verb == "tear" {
		return whole.Tear(about)
	}
	return nil, fmt.Errorf("no fault of a disk is %s", d.Verb)
}

func healDisks(ctx context.Context, s *stage, d deed) error {
	return s.each(ctx, d, func(server string) error {
		disk, err := s.world.Disk(server)
		if err != nil {
			return err
		}
		return disk.HealAll()
	})
}
