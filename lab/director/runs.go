package director

import (
	"slices"

	"stasis/lab/world"
)

// runs says whether a server runs, so that a fault of it changes something. The clients do always.
func (s *stage) runs(server string) bool {
	return server == world.Client || world.Runs(s.world, server)
}

// fall notes that a server is ended. What is dead already does not meet that.
func (s *stage) fall(d deed, server string) {
	if s.runs(server) {
		d.record.meet(1)
	}
	s.mark(s.down, server, true)
	s.lively(server)
}

// lively notes that a server is stopped no more: its process has ended, or another one begins.
func (s *stage) lively(server string) {
	s.mark(s.paused, server, false)
	s.mark(s.frozen, server, false)
}

// meetWhileUp counts a fault that lasts, of servers that have to run for it: now, or when the scenario's part ends.
func (s *stage) meetWhileUp(d deed, servers ...string) {
	all := func() bool { return !slices.ContainsFunc(servers, func(server string) bool { return !s.runs(server) }) }
	if all() {
		d.record.meet(1)
		return
	}
	d.record.meter(func() (int, error) {
		if all() {
			return 1, nil
		}
		return 0, nil
	})
}
