package store

import "sync"

// frost says whether a disk in memory hangs.
type frost struct {
	mu     sync.Mutex
	thawed chan struct{} // nil: it does not hang; closed when it is thawed
}

// freeze makes the disk hang until thaw is called.
func (f *frost) freeze() (thaw func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.thawed != nil {
		panic("the disk hangs already")
	}
	thawed := make(chan struct{})
	f.thawed = thawed
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.thawed = nil
		close(thawed)
	})
}

// wait returns when the disk does not hang. It holds no mutex while it waits, so virtual time goes on.
func (f *frost) wait() {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}
