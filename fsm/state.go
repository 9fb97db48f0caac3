package fsm

import "slices"

// State is everything that the agency has agreed on at one index. It never
// changes, so keeping a pointer to it is a snapshot; any number of goroutines
// may use it.
type State struct {
	contents
	index, term uint64
	log         []Entry         // the last changes; the last one's index is index
	logBytes    int             // about what log occupies
	clients     ordered[uint64] // client id → index of its latest transaction in log
}

func pristine() *State { return &State{contents: contents{root: emptyObject}} }

// Index is the number of transactions applied so far.
func (s *State) Index() uint64 { return s.index }

// Term is the term of the last command applied.
func (s *State) Term() uint64 { return s.term }

// Root is the whole tree, hidden keys too; {} if nothing was ever written.
func (s *State) Root() *Node { return s.root }

// Weight is that of the tree, of what is noted of lifetimes, and of observers.
func (s *State) Weight() int64 { return signed(s.weight()) }

// LogBytes is about how many bytes the log takes.
func (s *State) LogBytes() int64 { return int64(s.logBytes) }

// FirstIndex is the index of the oldest change in the log, Index()+1 if it is
// empty.
func (s *State) FirstIndex() uint64 { return s.index + 1 - uint64(len(s.log)) }

// Log is the changes from an index on; empty if that is not reached yet, false
// if it is 0 or no longer kept. The entries must not be modified.
func (s *State) Log(from uint64) ([]Entry, bool) {
	if from == 0 || from < s.FirstIndex() {
		return nil, false
	}
	if from > s.index {
		return []Entry{}, true
	}
	return slices.Clip(s.log[from-s.FirstIndex():]), true
}

// Inquire is the index of the latest applied transaction with a client id, 0 if
// there is none in the log.
func (s *State) Inquire(clientID string) uint64 {
	index, _ := s.clients.find(clientID)
	return index
}

// Observers are the callbacks registered by the operation observe: path → urls.
func (s *State) Observers() map[string][]string {
	all := make(map[string][]string, s.observers.len())
	for path, urls := range s.observers.all() {
		all[path] = slices.Clone(urls)
	}
	return all
}

// Clock is the latest time of all commands (ms).
func (s *State) Clock() int64 { return s.clock }

// AsOf is the state as a reader at now (ms) is to see it: what has expired since
// the last command is not there. The index is the same, because expiry is no
// change of its own. A now before the last command's time counts as that.
func (s *State) AsOf(now int64) *State {
	seen := *s
	seen.clock = max(s.clock, now)
	var gone []string
	if seen.contents, gone = seen.expire(); gone == nil {
		return s
	}
	return &seen
}

// append returns the state with one more change and at most keep in the log.
func (s *State) append(e Entry, after contents, keep int) *State {
	next := *s
	next.contents = after
	next.index = e.Index
	next.log = append(s.log, e)
	next.logBytes += e.bytes()
	if e.ClientID != "" {
		next.clients = s.clients.with(e.ClientID, e.Index)
	}
	next.trim(keep)
	return &next
}

// maxLogBytes bounds the log beside the number of its entries, so that large
// values do not add up in memory and in every snapshot.
const maxLogBytes = 16 << 20

// trim drops the oldest changes until at most keep are left and they are not too
// large (the last is kept even so), and with them the client ids that have none
// in the log any more. Only for a state not yet shared.
func (s *State) trim(keep int) {
	left := s.log
	for len(left) > keep || len(left) > 1 && s.logBytes > maxLogBytes {
		oldest := left[0]
		if oldest.ClientID != "" && s.Inquire(oldest.ClientID) == oldest.Index {
			s.clients = s.clients.without(oldest.ClientID)
		}
		s.logBytes -= oldest.bytes()
		left = left[1:]
	}
	if cap(left) > 2*len(left)+16 {
		// What was dropped lies in the same array and would be held by it.
		left = append(make([]Entry, 0, len(left)+len(left)/4+1), left...)
	}
	s.log = left
}
