package agency

import (
	"errors"
	"fmt"
	"os"
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
	frost  *frost
	noting sync.Mutex // guards id and notes
	notes  map[string][]byte
}

// NewMemoryStores makes empty stores.
func NewMemoryStores() *Stores {
	f := &frost{}
	return &Stores{log: raft.NewInmemStore(), shots: &memorySnapshots{frost: f}, frost: f, notes: map[string][]byte{}}
}

// Freeze makes the disk hang: from now on every call that reads or writes it waits until
// thaw is called. An agent whose disk hangs cannot be closed.
func (s *Stores) Freeze() (thaw func()) { return s.frost.freeze() }

// identify is what a data directory's identity file does: the first id stays.
func (s *Stores) identify(id string) string {
	s.noting.Lock()
	defer s.noting.Unlock()
	if s.id == "" {
		s.id = id
	}
	return s.id
}

// disk is an agent's opened stores, whatever they are made of.
type disk struct {
	id     string
	log    raft.LogStore
	stable raft.StableStore
	shots  raft.SnapshotStore
	close  func() error
	calls  *diskWatch
	dead   chan error // why the log takes no entry any more
	// maxBody bounds a request's body; 0: it does not.
	maxBody int64
	// maxEntry bounds what an entry of the log carries; 0: it does not.
	maxEntry int
	dir      string // "": the stores are in memory
	notes    notes
}

const snapshotsKept = 2

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
		log := memoryLog{c.Stores.log, c.Stores.frost}
		d = &disk{id: c.Stores.identify(newID()), log: log, stable: log, shots: c.Stores.shots, close: func() error { return nil }, notes: c.Stores}
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
	d.watch()
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
	files, err := openLog(dir, kind, logger)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	if err := settleLog(files.log, shots, logger); err != nil {
		d := disk{dir: path}
		return nil, errors.Join(d.untrusted(fmt.Errorf("%s: %w", files.path, err)), files.close(), dir.Close())
	}
	return &disk{
		id:       dir.ID(),
		log:      files.log,
		stable:   files.stable,
		maxBody:  files.maxBody,
		maxEntry: files.maxEntry,
		shots:    shots,
		close:    func() error { return errors.Join(files.close(), dir.Close()) },
		notes:    dir,
		dir:      path,
	}, nil
}

// untrusted adds to what is wrong with the disk what helps.
func (d *disk) untrusted(err error) error {
	where := "its directory"
	if d.dir != "" {
		where += " " + d.dir
	}
	return fmt.Errorf("%w. This agent cannot be trusted with it: as long as a majority of the others is whole, "+
		"delete %s and start it again with the same flags, it gets everything from them. If they are no majority, "+
		"run \"stasis agency recover\" on the directory of one that is whole. If none is, keep the directories, "+
		"and restore a snapshot file into an empty one with \"stasis agency snapshot restore\"", err, where)
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
