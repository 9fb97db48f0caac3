package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/internal/datadir"
)

// The names and the format are those of Raft's own store, so that either can read what the other has written.
const (
	snapshotMeta  = "meta.json"
	snapshotState = "state.bin"
)

// snapshotFiles keeps snapshots on a file system that is given: each in a folder, which gets its name when all in it is durable.
type snapshotFiles struct {
	snapshotFolderIn
	logger hclog.Logger
}

// fileMeta is the content of meta.json.
type fileMeta struct {
	raft.SnapshotMeta
	CRC []byte
}

var snapshotCRC = crc64.MakeTable(crc64.ECMA)

func openSnapshotFiles(fs vfs.FS, dir string, logger hclog.Logger) (*snapshotFiles, error) {
	s := &snapshotFiles{snapshotFolderIn{fs, fs.PathJoin(dir, snapshotFolder)}, logger}
	if err := fs.MkdirAll(s.path, 0o755); err != nil {
		return nil, err
	}
	return s, errors.Join(datadir.SyncDir(fs, dir), s.tidy(logger))
}

// Create begins a snapshot. Its parameters are those of raft.SnapshotStore.
func (s *snapshotFiles) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	name, err := s.freeName(term, index)
	if err != nil {
		return nil, err
	}
	sink := &snapshotFile{store: s, dir: s.fs.PathJoin(s.path, name+snapshotTemp), meta: fileMeta{SnapshotMeta: raft.SnapshotMeta{
		Version: version, ID: name, Index: index, Term: term, Configuration: members, ConfigurationIndex: membersIndex,
	}}}
	if err = s.fs.MkdirAll(sink.dir, 0o755); err == nil {
		sink.file, err = s.fs.Create(s.fs.PathJoin(sink.dir, snapshotState), vfs.WriteCategoryUnspecified)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin snapshot %s: %w", name, err), s.drop(name))
	}
	return sink, nil
}

// freeName is the name of a new snapshot. A snapshot that a process published just before it was cut off may have been
// made in the same millisecond.
func (s *snapshotFiles) freeName(term, index uint64) (string, error) {
	names, err := s.fs.List(s.path)
	if err != nil {
		return "", err
	}
	for at := time.Now().UnixMilli(); ; at++ {
		if name := fmt.Sprintf("%d-%d-%d", term, index, at); !slices.Contains(names, name) && !slices.Contains(names, name+snapshotTemp) {
			return name, nil
		}
	}
}

// List returns the snapshots, the newest first. One whose description cannot be read is passed over, as Raft's own store does.
func (s *snapshotFiles) List() ([]*raft.SnapshotMeta, error) {
	names, err := s.fs.List(s.path)
	if err != nil {
		return nil, err
	}
	var list []*raft.SnapshotMeta
	for _, name := range names {
		if strings.HasSuffix(name, snapshotTemp) {
			continue
		}
		meta, err := s.readMeta(name)
		if err != nil {
			s.logger.Warn("passing over a snapshot whose description cannot be read", "name", name, "error", err)
			continue
		}
		list = append(list, &meta.SnapshotMeta)
	}
	slices.SortFunc(list, newerFirst)
	return list[:min(len(list), snapshotsKept)], nil
}

func newerFirst(a, b *raft.SnapshotMeta) int {
	return cmp.Or(cmp.Compare(b.Term, a.Term), cmp.Compare(b.Index, a.Index), strings.Compare(b.ID, a.ID))
}

func (s *snapshotFiles) readMeta(name string) (meta fileMeta, err error) {
	f, err := s.fs.Open(s.fs.PathJoin(s.path, name, snapshotMeta))
	if err != nil {
		return meta, err
	}
	raw, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return meta, err
	}
	return meta, json.Unmarshal(raw, &meta)
}

// Open reads a snapshot once to compare its checksum, and then returns it from its beginning.
func (s *snapshotFiles) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, err := s.readMeta(id)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	path := s.fs.PathJoin(s.path, id, snapshotState)
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	hash := crc64.New(snapshotCRC)
	_, err = io.Copy(hash, f)
	if err = errors.Join(err, f.Close()); err == nil && !bytes.Equal(hash.Sum(nil), meta.CRC) {
		err = errors.New("its checksum is wrong")
	}
	if err == nil {
		f, err = s.fs.Open(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id, err)
	}
	return &meta.SnapshotMeta, f, nil
}

// prune removes all but the newest snapshots.
func (s *snapshotFiles) prune() error {
	kept, err := s.List()
	if err != nil {
		return err
	}
	names, err := s.fs.List(s.path)
	if err != nil {
		return err
	}
	old := slices.DeleteFunc(names, func(name string) bool {
		keeps := func(m *raft.SnapshotMeta) bool { return m.ID == name }
		return strings.HasSuffix(name, snapshotTemp) || slices.ContainsFunc(kept, keeps)
	})
	return s.remove(old...)
}

// snapshotFile is a snapshot that is being written. Its methods have one caller at a time.
type snapshotFile struct {
	store *snapshotFiles
	dir   string
	meta  fileMeta
	file  vfs.File // nil: closed or cancelled
	crc   uint64
}

func (s *snapshotFile) ID() string { return s.meta.ID }

func (s *snapshotFile) Write(p []byte) (int, error) {
	// First, because a vfs.File may change what it is given. A write that fails ends the snapshot.
	s.crc = crc64.Update(s.crc, snapshotCRC, p)
	n, err := s.file.Write(p)
	s.meta.Size += int64(n)
	return n, err
}

// Close publishes the snapshot. If it fails before the snapshot has its name, nothing of it stays. Closing it again is harmless.
func (s *snapshotFile) Close() error {
	if s.file == nil {
		return nil
	}
	if err := s.publish(); err != nil {
		return errors.Join(fmt.Errorf("publish snapshot %s: %w", s.meta.ID, err), s.store.drop(s.meta.ID))
	}
	if err := datadir.SyncDir(s.store.fs, s.store.path); err != nil {
		return fmt.Errorf("publish snapshot %s: %w", s.meta.ID, err) // it has its name, and may be found after a start
	}
	return s.store.prune()
}

// publish completes the files and gives their folder its name.
func (s *snapshotFile) publish() error {
	f, fs := s.file, s.store.fs
	s.file = nil
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = s.writeMeta()
	}
	if err == nil {
		err = datadir.SyncDir(fs, s.dir)
	}
	if err == nil {
		err = fs.Rename(s.dir, strings.TrimSuffix(s.dir, snapshotTemp))
	}
	return err
}

func (s *snapshotFile) writeMeta() error {
	s.meta.CRC = binary.BigEndian.AppendUint64(nil, s.crc)
	raw, err := json.Marshal(s.meta)
	if err != nil {
		return err
	}
	f, err := s.store.fs.Create(s.store.fs.PathJoin(s.dir, snapshotMeta), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Cancel drops the snapshot.
func (s *snapshotFile) Cancel() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return errors.Join(f.Close(), s.store.drop(s.meta.ID))
}
