package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// disk adds to a file system what durable publication needs.
type disk struct{ vfs.FS }

// writeFile puts data into a file, all or nothing: the file is there with its
// whole content, also after a crash, or not at all.
func (d disk) writeFile(path string, data []byte) error {
	temp := path + suffixTemp
	if err := d.writeSynced(temp, data); err != nil {
		return errors.Join(noSpace(err), ignoreMissing(d.Remove(temp)))
	}
	return d.rename(temp, path)
}

func (d disk) writeSynced(path string, data []byte) error {
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

// rename moves within one folder, or between two, durably: the target's folder is
// synced before the source's, so that a crash cannot lose both names.
func (d disk) rename(from, to string) error {
	if err := d.Rename(from, to); err != nil {
		return noSpace(err)
	}
	if failpoint.Off("rename-is-durable") {
		return nil
	}
	if err := d.syncDir(d.PathDir(to)); err != nil {
		return err
	}
	if d.PathDir(from) == d.PathDir(to) {
		return nil
	}
	return d.syncDir(d.PathDir(from))
}

// mkdir makes a folder inside an existing one, durably.
func (d disk) mkdir(path string) error {
	if err := d.MkdirAll(path, 0o700); err != nil {
		return noSpace(err)
	}
	return d.syncDir(d.PathDir(path))
}

func (d disk) syncDir(path string) error {
	f, err := d.OpenDir(path)
	if err != nil {
		return err
	}
	return noSpace(errors.Join(f.Sync(), f.Close()))
}

// discard removes a folder so that a half-removed one never keeps its name. It
// is no error if there is none.
func (d disk) discard(path string) error {
	if found, err := d.exists(path); err != nil || !found {
		return err
	}
	removed := path + suffixRemoved
	if err := d.RemoveAll(removed); err != nil {
		return fmt.Errorf("remove %s: %w", removed, err)
	}
	if err := d.rename(path, removed); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	if err := d.RemoveAll(removed); err != nil {
		return fmt.Errorf("remove %s: %w", removed, err)
	}
	return d.syncDir(d.PathDir(path))
}

func (d disk) exists(path string) (bool, error) {
	_, err := d.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (d disk) readFile(path string) ([]byte, error) {
	f, err := d.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

func (d disk) readJSON(path string, into any) error {
	data, err := d.readFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (d disk) writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return d.writeFile(path, append(data, '\n'))
}

// noSpace gives an error of a full disk its number on the wire.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) && !errors.Is(err, apierror.NoSpace) {
		return apierror.New(apierror.NoSpace, "no space left on disk: %w", err)
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
