package director

import (
	"context"
	"fmt"
	"syscall"

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

func breakDisk(disk world.Disk, d deed, about fault.Calls) (world.Met, error) {
	switch d.Verb {
	case "hang disk":
		return disk.Hang(about)
	case "slow disk":
		return disk.Slow(about, scenario.Time(d.Args["time"]))
	case "fail disk":
		return disk.Fail(about, syscall.EIO)
	case "fill disk":
		return disk.Fill(about, scenario.Bytes(d.Args["amount"]))
	case "tear disk":
		return disk.Tear(about)
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
