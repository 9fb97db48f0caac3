package fsm

import (
	"encoding/json"
	"slices"
	"strconv"
)

// contents are what the operations of a transaction can change, and the time
// that they see.
type contents struct {
	root      *Node
	clock     int64 // ms; the latest of all commands' times
	lifetimes lifetimes
	observers observers
}

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

// Entry is one applied transaction as watchers see it.
type Entry struct {
	Index     uint64          `json:"index"`
	Term      uint64          `json:"term"`
	Query     json.RawMessage `json:"query"` // the operations as they were written
	ClientID  string          `json:"clientId,omitempty"`
	Timestamp int64           `json:"timestamp"` // ms
	// Expired are paths whose time to live ended before this transaction and
	// after the one before; they are removed before Query is applied.
	Expired []string `json:"expired,omitempty"`
}

// AppendJSON appends the entry as JSON, its operations as they were written.
func (e Entry) AppendJSON(to []byte) []byte {
	to = strconv.AppendUint(append(to, `{"index":`...), e.Index, 10)
	to = strconv.AppendUint(append(to, `,"term":`...), e.Term, 10)
	to = append(append(to, `,"query":`...), e.Query...)
	if e.ClientID != "" {
		to = appendText(append(to, `,"clientId":`...), e.ClientID)
	}
	to = strconv.AppendInt(append(to, `,"timestamp":`...), e.Timestamp, 10)
	for i, path := range e.Expired {
		open := `,"expired":[`
		if i > 0 {
			open = ","
		}
		to = appendText(append(to, open...), path)
	}
	if len(e.Expired) > 0 {
		to = append(to, ']')
	}
	return append(to, '}')
}

func pristine() *State { return &State{contents: contents{root: emptyObject}} }

// Index is the number of transactions applied so far.
func (s *State) Index() uint64 { return s.index }

// Term is the term of the last command applied.
func (s *State) Term() uint64 { return s.term }

// Root is the whole tree, hidden keys too; {} if nothing was ever written.
func (s *State) Root() *Node { return s.root }

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

// AsOf is the state as a reader at now (ms) is to see it: what has expired since
// the last command is not there. The index is the same, because expiry is no
// change of its own. A now before the last command's time counts as that.
func (s *State) AsOf(now int64) *State {
	view := *s
	view.clock = max(s.clock, now)
	var gone []string
	if view.contents, gone = view.expire(); gone == nil {
		return s
	}
	return &view
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

// Bytes is about how many bytes the entry takes, and no less than its text.
func (e Entry) Bytes() int64 { return int64(e.bytes()) }

func (e Entry) bytes() int {
	const fixed = 128
	size := fixed + len(e.Query) + len(e.ClientID)
	for _, path := range e.Expired {
		size += len(path)
	}
	return size
}

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
