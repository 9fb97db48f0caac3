package tree

import (
	"sync"
	"time"
)

// Followers are the requests that wait for a change of the tree.
//
// Every follower that is woken costs an answer. When the tree has not changed for some time, a change
// wakes them at once. While it changes all the time, they are woken the less often the more they are,
// and are told of several changes at once. That bounds what they cost.
type Followers struct {
	mu      sync.Mutex
	waiting int           // that wait now
	joined  int           // that began to wait since the last wake-up
	lately  int           // how many there were lately: a follower that was woken comes back
	changed chan struct{} // closed and replaced at each wake-up
	woken   time.Time     // when the last wake-up was
	due     *time.Timer   // will make the next one; nil if none is due
}

// The pause between two wake-ups.
const (
	pausePerFollower = time.Millisecond
	longestPause     = 100 * time.Millisecond
)

func newFollowers() Followers { return Followers{changed: make(chan struct{})} }

// Join counts a follower until leave is called. The channel is closed some time after the tree has
// changed; the state has to be read after Join.
func (f *Followers) Join() (changed <-chan struct{}, leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting++
	f.joined++
	return f.changed, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiting--
	}
}

// Changed returns the channel of Join without counting a follower.
func (f *Followers) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Next returns a channel that is closed at the next wake-up, nil if the pause is over. A follower that
// lags, because it is far away, waits for it. Otherwise it would be answered at once each time it
// asks, and cost as much as if there were no pause.
func (f *Followers) Next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	pause := f.pause()
	if pause <= 0 {
		return nil
	}
	f.wakeIn(pause)
	return f.changed
}

// moved wakes the followers, now or when the pause is over.
func (f *Followers) moved() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pause := f.pause(); pause > 0 {
		f.wakeIn(pause)
		return
	}
	f.wake()
}

// pause is how long it still lasts; 0 or less if it is over. The caller holds mu.
func (f *Followers) pause() time.Duration {
	all := max(f.waiting, f.joined, f.lately)
	return min(longestPause, time.Duration(all)*pausePerFollower) - time.Since(f.woken)
}

// wakeIn makes sure that there is a wake-up at the end of the pause. The caller holds mu.
func (f *Followers) wakeIn(pause time.Duration) {
	if f.due != nil {
		return
	}
	f.due = time.AfterFunc(pause, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.wake()
	})
}

// wake wakes all followers. The caller holds mu.
func (f *Followers) wake() {
	if f.due != nil {
		f.due.Stop()
		f.due = nil
	}
	f.woken = time.Now()
	f.lately = max(f.waiting, f.joined, f.lately-f.lately/8-1)
	f.joined = 0
	close(f.changed)
	f.changed = make(chan struct{})
}
