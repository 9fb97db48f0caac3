package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/fault"
)

// remoteFolders are remotes in folders of one disk: as rclone's of type local, but on any disk, which may be in memory and which
// can be broken.
type remoteFolders struct {
	disk *fault.Disk
	made atomic.Int64 // parts, which have names of their own
}

// Check implements [storage.Remotes]: there are no rules.
func (r *remoteFolders) Check(dbclient.Remote, dbclient.RemoteConfig) error { return nil }

// Open implements [storage.Remotes].
func (r *remoteFolders) Open(_ context.Context, at dbclient.Remote, _ dbclient.RemoteConfig, _ storage.Addresses) (storage.Remote, error) {
	return &remoteFolder{of: r, fs: r.disk.FS(), dir: at.Path}, nil
}

// remoteFolder is one remote. Its calls wait as long as the disk does: transfers do not wait for them.
type remoteFolder struct {
	of  *remoteFolders
	fs  vfs.FS
	dir string
}

// part ends the names of objects that are not whole.
const part = ".part"

func (r *remoteFolder) at(name string) string { return r.fs.PathJoin(r.dir, name) }

// Put implements [storage.Remote]: an object is there whole or not at all.
func (r *remoteFolder) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	written := fmt.Sprintf("%s.%d%s", r.at(name), r.of.made.Add(1), part)
	if err := errors.Join(r.write(written, size, in), in.Close(), ctx.Err()); err != nil {
		return errors.Join(err, r.remove(written))
	}
	return r.fs.Rename(written, r.at(name))
}

func (r *remoteFolder) write(name string, size int64, in io.Reader) error {
	if err := r.fs.MkdirAll(r.fs.PathDir(name), 0o700); err != nil {
		return err
	}
	out, err := r.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, in)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of %d", n, size)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// Open implements [storage.Remote].
func (r *remoteFolder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := r.fs.Open(r.at(name))
	if err != nil {
		return nil, absent(err)
	}
	return f, nil
}

// absent gives the error of an object that is not there its name.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", storage.ErrNotFound, err)
	}
	return err
}

// Stat implements [storage.Remote].
func (r *remoteFolder) Stat(ctx context.Context, name string) (storage.Object, error) {
	if err := ctx.Err(); err != nil {
		return storage.Object{}, err
	}
	info, err := r.fs.Stat(r.at(name))
	if err != nil {
		return storage.Object{}, absent(err)
	}
	return storage.Object{Name: name, Size: info.Size()}, nil
}

// List implements [storage.Remote].
func (r *remoteFolder) List(ctx context.Context, folder string) (found []storage.Object, err error) {
	err = r.each(ctx, folder, func(name string, info vfs.FileInfo) error {
		if !info.IsDir() {
			found = append(found, storage.Object{Name: name, Size: info.Size()})
			return nil
		}
		below, err := r.List(ctx, name)
		found = append(found, below...)
		return err
	})
	return found, err
}

// Folders implements [storage.Remote].
func (r *remoteFolder) Folders(ctx context.Context, folder string) (found []string, err error) {
	err = r.each(ctx, folder, func(name string, info vfs.FileInfo) error {
		if info.IsDir() {
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

// each calls see for what is directly in a folder, if there is one.
func (r *remoteFolder) each(ctx context.Context, folder string, see func(name string, info vfs.FileInfo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := r.fs.List(r.at(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		if strings.HasSuffix(name, part) {
			continue
		}
		name = strings.TrimPrefix(folder+"/"+name, "/")
		info, failed := r.fs.Stat(r.at(name))
		switch {
		case errors.Is(failed, fs.ErrNotExist): // it was removed just now
		case failed != nil:
			return failed
		default:
			err = errors.Join(err, see(name, info))
		}
	}
	return err
}

// Remove implements [storage.Remote].
func (r *remoteFolder) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.remove(r.at(name))
}

func (r *remoteFolder) remove(path string) error {
	if err := r.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Close implements [storage.Remote].
func (r *remoteFolder) Close() error { return nil }
