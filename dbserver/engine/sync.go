package engine

import (
	"sync"
	"time"
)

// syncer syncs the log a short while after an unsynced commit, in one goroutine,
// and only then. Commits are counted; everything up to synced is on disk.
type syncer struct {
	sync     func() error // syncs the log
	interval time.Duration
	fail     *failure
	wake     chan struct{}
	stop     chan struct{}
	done     chan struct{}

	mu        sync.Mutex
	committed uint64    // commits without sync that have returned
	synced    uint64    // never above committed
	since     time.Time // no commit that is not on disk is older; zero: all are on disk
}

// mark is what a sync that begins now makes durable.
type mark struct {
	commits uint64
	begun   time.Time
}

func newSyncer(sync func() error, interval time.Duration, fail *failure) *syncer {
	s := &syncer{
		sync: sync, interval: interval, fail: fail,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

func (s *syncer) run() {
	defer close(s.done)
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		timer := time.NewTimer(s.interval)
		select {
		case <-s.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := s.syncAll(); err != nil {
			s.fail.set(err)
			return
		}
	}
}

// dirty notes a commit without sync.
func (s *syncer) dirty() {
	s.mu.Lock()
	s.committed++
	if s.since.IsZero() {
		s.since = time.Now()
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // the goroutine has been told already
	}
}

// age is how old the oldest commit is that is not on disk, 0 if there is none.
func (s *syncer) age() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return 0
	}
	return time.Since(s.since)
}

// clean says that all commits are on disk.
func (s *syncer) clean() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced >= s.committed
}

func (s *syncer) mark() mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mark{commits: s.committed, begun: time.Now()}
}

// syncAll makes everything noted before the call durable.
func (s *syncer) syncAll() error {
	m := s.mark()
	if s.clean() {
		return nil
	}
	if err := s.sync(); err != nil {
		return translate(err)
	}
	s.advance(m)
	return nil
}

// advance notes that what was marked is on disk. What is not was committed after that.
func (s *syncer) advance(m mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = max(s.synced, m.commits)
	switch {
	case s.synced >= s.committed:
		s.since = time.Time{}
	case m.begun.After(s.since):
		s.since = m.begun
	}
}

// close stops the goroutine and syncs what is left.
func (s *syncer) close() error {
	close(s.stop)
	<-s.done
	return s.syncAll()
}
