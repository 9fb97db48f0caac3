package director

import "slices"

// quiet looks whether nothing that the scenario has done keeps servers from coming back, as far as it is known. The second look says
// whether that was so all the time. Servers that come back at once may wait for each other, but not for others.
func (s *stage) quiet(d deed, servers []string) (still func() bool) {
	look := func() (count int, quiet bool) {
		for _, name := range s.marked(s.down) {
			if !slices.Contains(servers, name) {
				return 0, false
			}
		}
		count, whole := s.disturbed.look()
		return count, whole && !d.inTime() && len(s.marked(s.paused)) == 0
	}
	before, was := look()
	return func() bool {
		after, is := look()
		return was && is && before == after
	}
}
