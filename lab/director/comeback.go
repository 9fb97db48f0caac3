package director

import "slices"

// disturbed are the things that a scenario has done which may keep a server from coming back. stage.mu guards it.
type disturbed struct {
	count  int  // of all that was done
	broken bool // something is broken until all is healed
	gone   bool // something is gone for good: a disk, a server
}

// passing are the faults that keep no server from coming back once they are done: what they leave is in stage.down and stage.paused,
// or is a change of the cluster that it has to bear.
var passing = []string{"restart", "kill", "crash", "pause", "move shard", "clean out", "create collection", "drop collection"}

// lasting are those that healing does not take back.
var lasting = []string{"lose disk", "recover agency", "remove"}

// disturb notes a fault before it is done.
func (s *stage) disturb(d deed) {
	if d.record == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disturbed.count++
	s.disturbed.gone = s.disturbed.gone || slices.Contains(lasting, d.Verb)
	s.disturbed.broken = s.disturbed.broken || !slices.Contains(passing, d.Verb)
}

// healed notes that nothing is broken any more.
func (s *stage) healed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disturbed.broken = false
}

// quiet looks whether nothing that the scenario has done keeps servers from coming back, as far as it is known. The second look says
// whether that was so all the time. Servers that come back at once may wait for each other, but not for others.
func (s *stage) quiet(d deed, servers []string) (still func() bool) {
	look := func() (count int, ok bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for name := range s.down {
			if !slices.Contains(servers, name) {
				return 0, false
			}
		}
		return s.disturbed.count, !d.inTime() && !s.disturbed.broken && !s.disturbed.gone && len(s.paused) == 0
	}
	before, was := look()
	return func() bool {
		after, is := look()
		return was && is && before == after
	}
}
