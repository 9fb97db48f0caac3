package fault

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// messages are the rules about messages, and the messages that are on their way without a caller.
type messages struct {
	closing context.Context // ends with the network
	close   context.CancelFunc
	running sync.WaitGroup // of messages without a caller
	some    atomic.Bool    // there are rules

	mu     sync.Mutex // guards the rest, and what the rules have met; not held while a message waits
	closed bool
	rules  []*MessageRule // replaced, never changed
}

func newMessages() *messages {
	a := &messages{}
	a.closing, a.close = context.WithCancel(context.Background())
	return a
}

// MessageRule is a rule about messages that was given to a Network.
type MessageRule struct {
	all      *messages
	message  Message
	selected int // so many messages were
	struck   int // of them the fault concerned so many, whatever became of it
	met      int
	held     map[[2]string]*heldBack // with Reorder: by the two hosts
	reached  chan struct{}
	ended    chan struct{}
	once     sync.Once
}

// heldBack is a message that waits for a later one.
type heldBack struct{ passed chan struct{} }

// Met counts the messages to which the fault has happened: those that were lost, delayed, sent and answered a
// second time, or overtaken by a later one.
func (r *MessageRule) Met() int {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	return r.met
}

// Reached is closed when the fault has happened for the first time.
func (r *MessageRule) Reached() <-chan struct{} { return r.reached }

// End takes the rule back. What it holds back goes on; what it has lost stays lost. Calling it again is harmless.
func (r *MessageRule) End() {
	r.once.Do(func() { close(r.ended) })
	r.all.remove(r)
}

func (r *MessageRule) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// meets tells whether the fault happens to a message; held is then its place with Reorder. Or else it gives the
// message that this one overtakes.
func (r *MessageRule) meets(x meeting, s sending) (strikes bool, held, overtaken *heldBack) {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	m, link := r.message, [2]string{x.from, x.to}
	if r.over() || !m.selects(x) || m.Do == Duplicate && !s.repeatable() {
		return false, nil, nil
	}
	if waits := r.held[link]; waits != nil {
		return false, nil, waits
	}
	r.selected++
	nth := r.selected - m.After
	if nth <= 0 || m.Every > 1 && nth%m.Every != 0 || m.Times > 0 && r.struck >= m.Times {
		return false, nil, nil
	}
	r.struck++
	if m.Do == Reorder {
		held = &heldBack{passed: make(chan struct{})}
		r.held[link] = held
	}
	return true, held, nil
}

// overtake lets a message go on that a later one has overtaken.
func (r *MessageRule) overtake(x meeting, held *heldBack) {
	r.all.mu.Lock()
	still := r.held[[2]string{x.from, x.to}] == held
	if still {
		delete(r.held, [2]string{x.from, x.to})
	}
	r.all.mu.Unlock()
	if still { // else it has gone on by itself
		r.hit()
		close(held.passed)
	}
}

// release forgets a message that goes on by itself.
func (r *MessageRule) release(x meeting, held *heldBack) {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	if r.held[[2]string{x.from, x.to}] == held {
		delete(r.held, [2]string{x.from, x.to})
	}
}

// hit counts that the fault has happened.
func (r *MessageRule) hit() {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	if r.met++; r.met == 1 {
		close(r.reached)
	}
}

func (a *messages) add(m Message) *MessageRule {
	r := &MessageRule{all: a, message: m, held: map[[2]string]*heldBack{}, reached: make(chan struct{}), ended: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rules = append(slices.Clone(a.rules), r)
	a.some.Store(true)
	return r
}

func (a *messages) remove(r *MessageRule) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rules = slices.DeleteFunc(slices.Clone(a.rules), func(other *MessageRule) bool { return other == r })
	a.some.Store(len(a.rules) > 0)
}

// now gives the rules as they are, in the order in which they were made.
func (a *messages) now() []*MessageRule {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rules
}

// detach runs f in a goroutine that end waits for.
func (a *messages) detach(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.running.Go(f)
	}
}

// end ends all that waits, and waits for what is on its way without a caller.
func (a *messages) end() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.close()
	a.running.Wait()
}
