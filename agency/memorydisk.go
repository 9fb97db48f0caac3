package agency

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/raft"
)

// frost is whether a disk in memory hangs.
type frost struct {
	mu     sync.Mutex
	thawed chan struct{} // nil: it does not hang; closed when it does no more
}

// freeze makes it hang until thaw is called.
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

// wait returns when the disk does not hang. No mutex is held meanwhile: virtual time goes on.
func (f *frost) wait() {
	if f == nil {
		return
	}
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}

// memoryLog is Raft's log and votes in memory, on a disk that may hang.
type memoryLog struct {
	store *raft.InmemStore
	frost *frost
}

func (l memoryLog) FirstIndex() (uint64, error) { return l.store.FirstIndex() } // known without the disk
func (l memoryLog) LastIndex() (uint64, error)  { return l.store.LastIndex() }

func (l memoryLog) GetLog(index uint64, log *raft.Log) error {
	l.frost.wait()
	return l.store.GetLog(index, log)
}

func (l memoryLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l memoryLog) StoreLogs(logs []*raft.Log) error {
	l.frost.wait()
	return l.store.StoreLogs(logs)
}

func (l memoryLog) DeleteRange(from, to uint64) error {
	l.frost.wait()
	return l.store.DeleteRange(from, to)
}

func (l memoryLog) Set(key, value []byte) error {
	l.frost.wait()
	return l.store.Set(key, value)
}

func (l memoryLog) Get(key []byte) ([]byte, error) {
	l.frost.wait()
	return l.store.Get(key)
}

func (l memoryLog) SetUint64(key []byte, value uint64) error {
	l.frost.wait()
	return l.store.SetUint64(key, value)
}

func (l memoryLog) GetUint64(key []byte) (uint64, error) {
	l.frost.wait()
	return l.store.GetUint64(key)
}

// memorySnapshots keeps the newest published snapshot. Raft's own memory store
// publishes a snapshot before it is written.
type memorySnapshots struct {
	frost *frost // nil: never hangs

	mu   sync.Mutex
	meta *raft.SnapshotMeta
	data []byte
}

// Create starts a snapshot that replaces the present one when it is closed.
func (s *memorySnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.frost.wait()
	return &memorySink{store: s, meta: raft.SnapshotMeta{
		Version:            version,
		ID:                 fmt.Sprintf("%d-%d", term, index),
		Index:              index,
		Term:               term,
		Configuration:      members,
		ConfigurationIndex: membersIndex,
	}}, nil
}

// List gives the published snapshot, if there is one.
func (s *memorySnapshots) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil {
		return nil, nil
	}
	meta := *s.meta
	return []*raft.SnapshotMeta{&meta}, nil
}

// Open reads the published snapshot.
func (s *memorySnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.frost.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meta == nil || s.meta.ID != id {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, os.ErrNotExist)
	}
	meta := *s.meta
	return &meta, io.NopCloser(bytes.NewReader(s.data)), nil
}

// memorySink is a snapshot that is being written.
type memorySink struct {
	bytes.Buffer
	store *memorySnapshots
	meta  raft.SnapshotMeta
}

func (s *memorySink) ID() string    { return s.meta.ID }
func (s *memorySink) Cancel() error { return nil }

// Close publishes the snapshot.
func (s *memorySink) Close() error {
	s.store.frost.wait()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.meta.Size = int64(s.Len())
	s.store.meta, s.store.data = &s.meta, s.Bytes()
	return nil
}
