package shard

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/engine"
	"stasis/internal/bubbles"
)

// hanging is an engine on a disk on which writes and syncs hang from freeze to thaw.
type hanging struct {
	*opened
	mu     sync.Mutex
	thawed chan struct{} // nil: the disk works
}

func openHanging(t *testing.T) *hanging {
	h := &hanging{}
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		h.mu.Lock()
		wait := h.thawed
		h.mu.Unlock()
		if wait != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			<-wait
		}
		return nil
	}))
	watch := diskhealth.NewWatch(nil)
	t.Cleanup(watch.Close)
	e, err := engine.Open("engine", engine.Options{FS: disk, CacheBytes: 1 << 20, MemTableBytes: 1 << 20, Health: watch})
	require.NoError(t, err)
	clock := &Clock{}
	require.NoError(t, clock.Attach(StoreIn(e)))
	h.opened = &opened{t: t, fs: disk, env: Env{Engine: e, Clock: clock}, clock: clock}
	return h
}

func (h *hanging) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.thawed = make(chan struct{})
}

func (h *hanging) thaw() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.thawed != nil {
		close(h.thawed)
		h.thawed = nil
	}
}

// end closes the engine when it has done what was given up.
func (h *hanging) end() {
	h.thaw()
	time.Sleep(time.Second)
	h.close()
}

// waiting is a step of a shard that waits for the disk.
type waiting struct {
	name    string
	prepare func(t *testing.T, s *Shard) // while the disk works
	step    func(s *Shard) error
	gone    bool // the shard is, after it
}

var stepsThatWait = []waiting{
	{name: "promise", step: func(s *Shard) error {
		_, err := s.Promise(Tenure{3, 1})
		return err
	}},
	{name: "overrule", step: func(s *Shard) error {
		_, err := s.Overrule(Tenure{1, 1}, Tenure{3, 1})
		return err
	}},
	{name: "accept", step: func(s *Shard) error {
		_, err := s.Accept(Batch{Tenure: Tenure{2, 1}, Records: records(Tenure{2, 1}, 1, 1), Sync: true})
		return err
	}},
	{name: "end of a copy", prepare: func(t *testing.T, s *Shard) {
		session, err := s.BeginCopy(Tenure{2, 1}, 1)
		require.NoError(t, err)
		require.Equal(t, session, s.r.in.received.Session)
	}, step: func(s *Shard) error {
		return s.EndCopy(s.r.in.received.CopyID, CopyEnd{State: State{Last: Position{Tenure{2, 1}, 7}}})
	}},
	{name: "drop", step: (*Shard).Drop, gone: true},
}

// While a step of a shard waits for a disk that hangs, others go on at once, also those that need
// the shard for themselves; the step is answered when the disk has done it, or is given up in time.
func TestNothingWaitsForAStepThatWaitsForTheDisk(t *testing.T) {
	for _, w := range stepsThatWait {
		for _, heals := range []bool{true, false} {
			t.Run(w.name+map[bool]string{true: ", the disk heals", false: ", the disk hangs on"}[heals], func(t *testing.T) {
				bubbles.Test(t, func(t *testing.T) { othersPass(t, w, heals) })
			})
		}
	}
}

func othersPass(t *testing.T, w waiting, heals bool) {
	h := openHanging(t)
	defer h.end()
	s, err := Create(h.env, "s1")
	require.NoError(t, err)
	if w.prepare != nil {
		w.prepare(t, s)
	}
	h.freeze()
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- w.step(s) }()
	synctest.Wait()
	require.Empty(t, done, "it was answered before the disk had it")

	var others sync.WaitGroup
	others.Go(func() {
		_, err := s.BeginCopy(Tenure{4, 1}, 1)
		require.Equal(t, w.gone, err != nil)
	})
	for range 2 {
		others.Go(func() {
			_, err := s.Scan(t.Context(), dbclient.ScanRequest{})
			require.Equal(t, w.gone, err != nil)
		})
		others.Go(func() { require.Equal(t, w.gone, s.Check(t.Context()) != nil) })
	}
	others.Wait()
	require.Zero(t, time.Since(begun), "they waited for the disk")
	require.Empty(t, done)
	if heals {
		h.thaw()
		require.NoError(t, <-done)
		return
	}
	err = <-done
	require.True(t, errors.Is(err, engine.ErrAbandoned), "%v", err)
	require.Less(t, time.Since(begun), 2*diskhealth.DefaultLimit)
}

// What a commit inside the engine holds up is held up no longer than the engine's limit, and time
// goes on: the locks of a shard are no mutexes.
func TestLocksOfAShardLetTimeGoOn(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		h := openHanging(t)
		defer h.end()
		s, err := Create(h.env, "s1")
		require.NoError(t, err)
		s.content.Lock()
		s.mu.Lock()
		var others sync.WaitGroup
		others.Go(func() { _, _ = s.Scan(t.Context(), dbclient.ScanRequest{}) })
		others.Go(func() { _ = s.State() })
		others.Go(func() { _ = s.Check(t.Context()) })
		time.Sleep(time.Minute)
		s.mu.Unlock()
		s.content.Unlock()
		others.Wait()
	})
}
