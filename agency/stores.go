package agency

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/datadir"
)

// Stores is an agent's log, votes and snapshots in memory. It survives Close, so
// that a simulated cluster can restart an agent with what it had on "disk". One
// agent at a time may use it.
type Stores struct {
	id     string
	log    *raft.InmemStore
	shots  *memorySnapshots
	noting sync.Mutex // guards id and probation

	probation bool
}

// NewMemoryStores makes empty stores.
func NewMemoryStores() *Stores {
	return &Stores{log: raft.NewInmemStore(), shots: &memorySnapshots{}}
}

// identify is what a data directory's identity file does: the first id stays.
func (s *Stores) identify(id string) string {
	s.noting.Lock()
	defer s.noting.Unlock()
	if s.id == "" {
		s.id = id
	}
	return s.id
}

// mark and marked are what a data directory's file is: whether the agent is on probation.
func (s *Stores) mark(on bool) error {
	s.noting.Lock()
	defer s.noting.Unlock()
	s.probation = on
	return nil
}

func (s *Stores) marked() bool {
	s.noting.Lock()
	defer s.noting.Unlock()
	return s.probation
}

// disk is an agent's opened stores, whatever they are made of.
type disk struct {
	id     string
	log    raft.LogStore
	stable raft.StableStore
	shots  raft.SnapshotStore
	close  func() error
	// maxBody bounds a request's body; 0: it does not.
	maxBody int64

	mark   func(bool) error // whether the agent is on probation: kept
	marked func() bool
}

const (
	snapshotsKept = 2
	// logCache is how many of the newest entries are served to followers from memory.
	logCache = 256
)

// openDisk opens the configured stores and checks whose they are.
func openDisk(c Config, logger hclog.Logger) (*disk, error) {
	newID := func() string {
		if c.ID != "" {
			return c.ID
		}
		return datadir.Agent.NewID()
	}
	var d *disk
	if c.Stores != nil {
		d = &disk{id: c.Stores.identify(newID()), log: c.Stores.log, stable: c.Stores.log, shots: c.Stores.shots, close: func() error { return nil },
			mark: c.Stores.mark, marked: c.Stores.marked}
	} else {
		var err error
		if d, err = openDirectory(c.Dir, c.LogStore, newID, logger); err != nil {
			return nil, err
		}
	}
	if c.ID != "" && d.id != c.ID {
		err := fmt.Errorf("data directory %s belongs to agent %s, not %s", c.Dir, d.id, c.ID)
		return nil, errors.Join(err, d.close())
	}
	cached, err := raft.NewLogCache(logCache, contiguousLog{d.log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cache of Raft's log: %w", err), d.close())
	}
	d.log = cached
	return d, nil
}

func openDirectory(path, kind string, newID func() string, logger hclog.Logger) (*disk, error) {
	dir, err := datadir.Open(vfs.Default, path, datadir.Agent, newID)
	if err != nil {
		return nil, err
	}
	shots, err := raft.NewFileSnapshotStoreWithLogger(path, snapshotsKept, logger.Named("snapshots"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open snapshots in %s: %w", path, err), dir.Close())
	}
	log, where, maxBody, err := openLog(dir, kind, logger)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if err := settleLog(log, shots, logger); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w. This agent cannot be trusted with it: as long as a majority of the others is whole, "+
			"delete its directory and start it again, it gets everything from them", where, err), log.Close(), dir.Close())
	}
	return &disk{
		id:      dir.ID(),
		log:     log,
		stable:  log,
		maxBody: maxBody,
		shots:   shots,
		close:   func() error { return errors.Join(log.Close(), dir.Close()) },
		mark:    func(on bool) error { return markProbation(dir.Path(probationFile), on) },
		marked:  func() bool { _, err := os.Stat(dir.Path(probationFile)); return err == nil },
	}, nil
}

// probationFile is there while the agent is on probation.
const probationFile = "PROBATION"

func markProbation(path string, on bool) error {
	if !on {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return syncPath(filepath.Dir(path))
	}
	if err := os.WriteFile(path, []byte("this agent started with nothing and does not vote yet\n"), 0o600); err != nil {
		return err
	}
	return errors.Join(syncPath(path), syncPath(filepath.Dir(path)))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// pristine says whether there is neither log nor snapshot.
func (d *disk) pristine() (bool, error) {
	last, err := d.log.LastIndex()
	if err != nil {
		return false, fmt.Errorf("read the end of Raft's log: %w", err)
	}
	shots, err := d.shots.List()
	if err != nil {
		return false, fmt.Errorf("list snapshots: %w", err)
	}
	return last == 0 && len(shots) == 0, nil
}

// bootstrap writes the first Raft configuration of an agency of one to a
// pristine disk. A crash between Raft's two writes (term, then log) leaves a
// disk with a term and nothing else: there the log entry alone is written.
func (d *disk) bootstrap(c *raft.Config, t raft.Transport, members raft.Configuration) error {
	err := raft.BootstrapCluster(c, d.log, d.stable, d.shots, t, members)
	if errors.Is(err, raft.ErrCantBootstrap) {
		err = d.log.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(members)})
	}
	if err != nil {
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	return nil
}

// memorySnapshots keeps the newest published snapshot. Raft's own memory store
// publishes a snapshot before it is written.
type memorySnapshots struct {
	mu   sync.Mutex
	meta *raft.SnapshotMeta
	data []byte
}

// Create starts a snapshot that replaces the present one when it is closed.
func (s *memorySnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
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
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.meta.Size = int64(s.Len())
	s.store.meta, s.store.data = &s.meta, s.Bytes()
	return nil
}
