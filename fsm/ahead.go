package fsm

// Ahead is the same state at an index that is at least the given one: its changes are
// numbered on, so that they end there. The tree, what expires, and which client ids were
// applied stay. It is for a tree that goes on after the newest changes were lost: whoever
// follows must never see an index twice with different trees behind it.
func (s *State) Ahead(index uint64) *State {
	if index <= s.index {
		return s
	}
	next := *s
	next.log = make([]Entry, len(s.log))
	next.clients = ordered[uint64]{}
	for i, e := range s.log {
		e.Index += index - s.index
		next.log[i] = e
		if e.ClientID != "" {
			next.clients = next.clients.with(e.ClientID, e.Index)
		}
	}
	next.index = index
	return &next
}
