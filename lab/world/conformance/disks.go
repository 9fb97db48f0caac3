package conformance

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"stasis/client"
	faults "stasis/fault"
	"stasis/lab/world"
)

func disks() []fault {
	var all []fault
	for _, of := range []struct {
		server string
		needs  []world.Feature
	}{{dbserver, []world.Feature{world.DiskFaults}}, {agent, []world.Feature{world.DiskFaults, world.AgentDisks}}} {
		all = append(all,
			disk("a disk that hangs: "+of.server, of.server, of.needs, func(d world.Disk) (world.Met, error) {
				return d.Hang(faults.Calls{Kinds: faults.Sync})
			}),
			disk("a slow disk: "+of.server, of.server, of.needs, func(d world.Disk) (world.Met, error) {
				return d.Slow(faults.Calls{Kinds: faults.Write | faults.Sync, After: 1}, time.Millisecond)
			}),
		)
	}
	return append(all,
		disk("a full disk", dbserver, []world.Feature{world.DiskFaults}, func(d world.Disk) (world.Met, error) {
			return d.Fill(faults.Calls{}, 0)
		}),
		fault{"a disk that fails", []world.Feature{world.DiskFaults}, func(s *scene) (done, error) {
			disk, err := s.world.Disk(dbserver)
			if err != nil {
				return done{}, err
			}
			d, err := ofMet(disk.Fail(faults.Calls{Kinds: faults.Link}, syscall.EIO))
			d.drive = func() { _ = s.backup() } // it links files, which fails
			return d, err
		}},
		fault{"a disk that is healed", []world.Feature{world.DiskFaults}, func(s *scene) (done, error) {
			disk, err := s.world.Disk(dbserver)
			if err != nil {
				return done{}, err
			}
			d, err := ofMet(disk.Hang(faults.Calls{Kinds: faults.Sync}))
			d.back = disk.HealAll
			return d, err
		}},
		fault{"a torn write", []world.Feature{world.TornWrites, world.PowerCut}, (*scene).torn},
	)
}

// disk breaks the disk of a server. Documents reach DB servers, and new collections the agents.
func disk(name, server string, needs []world.Feature, set func(world.Disk) (world.Met, error)) fault {
	return fault{name, needs, func(s *scene) (done, error) {
		disk, err := s.world.Disk(server)
		if err != nil {
			return done{}, err
		}
		d, err := ofMet(set(disk))
		if server == agent {
			d.drive = s.declare
		}
		return d, err
	}}
}

// declare tries to make a collection.
func (s *scene) declare() {
	ctx, cancel := context.WithTimeout(s.ctx, short)
	defer cancel()
	s.writes++
	_ = s.world.Clients()[0].Database("").EnsureCollection(ctx, fmt.Sprintf("%s-%d", collection, s.writes), client.Layout{Shards: 1}) // it may fail
}

// torn cuts the power while writes are not synced.
func (s *scene) torn() (done, error) {
	disk, err := s.world.Disk(dbserver)
	if err != nil {
		return done{}, err
	}
	torn, err := disk.Tear(faults.Calls{})
	if err != nil {
		return done{}, err
	}
	if _, err := disk.Hang(faults.Calls{Kinds: faults.Sync}); err != nil {
		return done{}, err
	}
	d, err := ofMet(torn, nil)
	d.drive = func() {
		_ = s.write(short, 20000) // those on this server wait
		err = s.world.Crash(dbserver, 0)
	}
	d.met = func() (bool, error) { return torn.Met() > 0, err }
	d.back = func() error {
		torn.End()
		return s.world.Restart(s.ctx, dbserver)
	}
	return d, nil
}
