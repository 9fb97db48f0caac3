package piece

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/apierror"
	"stasis/internal/backupname"
	"stasis/internal/failpoint"
)

// Suffixes of names that are not in use yet, or no longer: a process that starts
// removes what has them.
const (
	SuffixRemoved = backupname.Removed
	SuffixTemp    = backupname.Temporary
)

// Disk adds durable publication to a file system. Errors of a full disk are
// [apierror.NoSpace].
type Disk struct{ vfs.FS }

// WriteFile writes a file, all or nothing: after a crash the file has its whole
// content or does not exist.
func (d Disk) WriteFile(path string, data []byte) error {
	temp := path + SuffixTemp
	if err := d.writeSynced(temp, data); err != nil {
		return errors.Join(NoSpace(err), IgnoreMissing(d.Remove(temp)))
	}
	return d.Move(temp, path)
}

func (d Disk) writeSynced(path string, data []byte) error {
	f, err := d.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte(nil), data...)) // Write may change what it is given
	if err == nil && !failpoint.Off("file-is-synced") {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// newFile is a file that writeNew writes.
type newFile struct {
	name string
	data []byte
}

// writeNew writes files into a folder that no reader takes for complete yet, and makes them and all other
// names in the folder durable. The disk gets all of it before the first sync, so that one journal entry
// can have it all. After an error or a crash any part may be there.
func (d Disk) writeNew(dir string, files ...newFile) (err error) {
	var open []vfs.File
	defer func() {
		for _, f := range open {
			err = errors.Join(err, f.Close())
		}
		err = NoSpace(err)
	}()
	for _, file := range files {
		f, err := d.Create(d.PathJoin(dir, file.name), vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		open = append(open, f)
		if _, err := f.Write(append([]byte(nil), file.data...)); err != nil { // Write may change what it is given
			return err
		}
	}
	if !failpoint.Off("new-files-are-synced") {
		for _, f := range open {
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return d.SyncDir(dir)
}

// Move renames durably, within one folder or between two. It syncs the target's folder
// before the source's, so that a crash cannot lose both names.
func (d Disk) Move(from, to string) error {
	if err := d.Rename(from, to); err != nil {
		return NoSpace(err)
	}
	if failpoint.Off("rename-is-durable") {
		return nil
	}
	if err := d.SyncDir(d.PathDir(to)); err != nil {
		return err
	}
	if d.PathDir(from) == d.PathDir(to) {
		return nil
	}
	return d.SyncDir(d.PathDir(from))
}

// MakeDir makes a folder inside an existing one, durably.
func (d Disk) MakeDir(path string) error {
	if err := d.MkdirAll(path, 0o700); err != nil {
		return NoSpace(err)
	}
	return d.SyncDir(d.PathDir(path))
}

// SyncDir makes the names in a folder durable.
func (d Disk) SyncDir(path string) error {
	f, err := d.OpenDir(path)
	if err != nil {
		return err
	}
	return NoSpace(errors.Join(f.Sync(), f.Close()))
}

// Discard removes a folder. It takes the folder's name away first, so that a folder
// that is half removed never has it. A missing folder is no error.
func (d Disk) Discard(path string) error {
	if found, err := d.Exists(path); err != nil || !found {
		return err
	}
	removed := path + SuffixRemoved
	if err := d.RemoveAll(removed); err != nil {
		return fmt.Errorf("remove %s: %w", removed, err)
	}
	if err := d.Move(path, removed); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	if err := d.RemoveAll(removed); err != nil {
		return fmt.Errorf("remove %s: %w", removed, err)
	}
	return d.SyncDir(d.PathDir(path))
}

// Exists says whether a file or folder exists.
func (d Disk) Exists(path string) (bool, error) {
	_, err := d.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ReadFile reads a whole file.
func (d Disk) ReadFile(path string) ([]byte, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// ReadJSON decodes a file of JSON.
func (d Disk) ReadJSON(path string, into any) error {
	data, err := d.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// WriteJSON writes a file of JSON, as WriteFile does.
func (d Disk) WriteJSON(path string, value any) error {
	data, err := encodeJSON(value)
	if err != nil {
		return err
	}
	return d.WriteFile(path, data)
}

func encodeJSON(value any) ([]byte, error) {
	data, err := json.MarshalIndent(value, "", "  ")
	return append(data, '\n'), err
}

// NoSpace gives the error of a full disk its number on the wire. It returns every other
// error as it is.
func NoSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) && !errors.Is(err, apierror.NoSpace) {
		return apierror.New(apierror.NoSpace, "no space left on disk: %w", err)
	}
	return err
}

// IgnoreMissing makes nil of the error that a file does not exist.
func IgnoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
