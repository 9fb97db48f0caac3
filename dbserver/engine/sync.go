package engine

import (
	"sync/atomic"
	"time"
)

// syncer syncs the log a short while after an unsynced commit, in one goroutine,
// and only then. Commits are counted; everything up to synced is on disk.
type syncer struct {
	sync      func() error // syncs the log
	interval  time.Duration
	fail      *failure
	committed atomic.Uint64 // commits without sync that have returned
	synced    atomic.Uint64 // never above committed
	wake      chan struct{}
	stop      chan struct{}
	done      chan struct{}
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
	s.committed.Add(1)
	select {
	case s.wake <- struct{}{}:
	default: // the goroutine has been told already
	}
}

// syncAll makes everything noted before the call durable.
func (s *syncer) syncAll() error {
	target := s.committed.Load()
	if s.synced.Load() >= target {
		return nil
	}
	if err := s.sync(); err != nil {
		return translate(err)
	}
	s.advance(target)
	return nil
}

// advance notes that the first n commits are on disk.
func (s *syncer) advance(n uint64) {
	for {
		old := s.synced.Load()
		if old >= n || s.synced.CompareAndSwap(old, n) {
			return
		}
	}
}

// close stops the goroutine and syncs what is left.
func (s *syncer) close() error {
	close(s.stop)
	<-s.done
	return s.syncAll()
}
