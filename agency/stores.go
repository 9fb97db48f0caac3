package agency

import (
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/agency/note"
	"stasis/internal/datadir"
)

// disk is what an agent keeps, opened. One agent at a time has it open.
type disk struct {
	id     string // of the agent
	log    raft.LogStore
	stable raft.StableStore // term and vote
	shots  raft.SnapshotStore
	notes  note.Store
	calls  *diskWatch // those of log, stable, shots and notes that have not returned
	// dead receives why the log takes no entry any more until it is opened again.
	dead chan error
	// maxBody bounds a request's body, in bytes. 0: it does not.
	maxBody int64
	// maxEntry bounds what an entry of the log carries, in bytes. 0: it does not.
	maxEntry int

	dir   string // "": in memory
	close func() error
}

// diskConfig says what to open.
type diskConfig struct {
	// ID is the agent's id. Empty: the id that the directory has, or a new one.
	ID string
	// Dir is the data directory. Empty: Memory.
	Dir string
	// Memory is used instead of a directory.
	Memory *Stores
	// LogStore is what keeps Raft's log in a new Dir: LogBolt or LogWAL. Empty: LogWAL. A
	// directory that has a log of the other kind is refused.
	LogStore string
	Logger   hclog.Logger
}

const snapshotsKept = 2

// openDisk opens what an agent keeps, and checks that it is the configured agent's. The log of
// a directory is read from its beginning to its end (see reconcile).
func openDisk(c diskConfig) (*disk, error) {
	newID := func() string {
		if c.ID != "" {
			return c.ID
		}
		return datadir.Agent.NewID()
	}
	var d *disk
	if c.Memory != nil {
		d = c.Memory.open(newID())
	} else {
		var err error
		if d, err = openDirectory(c.Dir, c.LogStore, newID, c.Logger); err != nil {
			return nil, err
		}
	}
	if c.ID != "" && d.id != c.ID {
		err := fmt.Errorf("data directory %s belongs to agent %s, not %s", c.Dir, d.id, c.ID)
		return nil, errors.Join(err, d.shutdown())
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
	if err := reconcile(files.log, shots, logger); err != nil {
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

// shutdown releases what was opened. The disk must not be used afterwards.
func (d *disk) shutdown() error { return d.close() }

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

// checkEmpty refuses a directory in which something is.
func checkEmpty(dir string) error {
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	for _, e := range list {
		if e.Name() != "lost+found" {
			return fmt.Errorf("%s is not empty: it has %q. A snapshot is restored into an empty directory", dir, e.Name())
		}
	}
	return nil
}
