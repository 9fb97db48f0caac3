package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"stasis/dbserver/transfer/storage"
	"stasis/internal/failpoint"
)

// folder is a remote on this machine's disk, below the operator's root.
//
// It guarantees that nothing outside of the root is read or written, whatever is put below
// the root at any moment, since os.Root resolves every name. It refuses a symbolic link, and
// anything else that is neither a file nor a folder, even if the link leads to a place below
// the root. If another process replaces a folder by a link between that check and the use,
// the link can lead to another place below the root, and no further.
type folder struct {
	root *os.Root
	base string // below root, with slashes
}

// openFolder opens a path below root. The folder itself need not exist.
func openFolder(root, at string) (storage.Remote, error) {
	rel, err := filepath.Rel(root, filepath.FromSlash(path.Clean("/"+at)))
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return nil, refusal("the path of a remote of type \"local\" must be a folder below %s (--backup.local-root)", root)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, refusal("open --backup.local-root: %w", bare(err))
	}
	f := &folder{root: r, base: filepath.ToSlash(rel)}
	if _, err := f.look(f.base); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, refusal("open a remote of type \"local\": %w", errors.Join(err, r.Close()))
	}
	return f, nil
}

// bare is an error of the disk without the path, in which a client may have put
// anything.
func bare(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	case errors.As(err, &l):
		return fmt.Errorf("%s: %w", l.Op, l.Err)
	}
	return err
}

// look walks to a name without following links, and says what is there.
func (f *folder) look(name string) (info fs.FileInfo, err error) {
	parts := strings.Split(name, "/")
	for i := range parts {
		if info, err = f.root.Lstat(path.Join(parts[:i+1]...)); err != nil {
			return nil, bare(err)
		}
		last := i == len(parts)-1
		if info.Mode()&fs.ModeSymlink != 0 && failpoint.Off("links-are-not-followed") {
			if info, err = f.root.Stat(path.Join(parts[:i+1]...)); err != nil {
				return nil, bare(err)
			}
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%w: there is a symbolic link, which is not followed", storage.ErrFinal)
		case info.IsDir(), last && info.Mode().IsRegular():
		default:
			return nil, fmt.Errorf("%w: there is something that is neither a file nor a folder", storage.ErrFinal)
		}
	}
	return info, nil
}

// at is an object's place below the root.
func (f *folder) at(name string) string { return path.Join(f.base, name) }

// make makes a folder and those above it, one after the other.
func (f *folder) make(name string) error {
	parts := strings.Split(name, "/")
	for i := range parts {
		dir := path.Join(parts[:i+1]...)
		if err := f.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return bare(err)
		}
	}
	info, err := f.look(name)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%w: there is a file where a folder has to be", storage.ErrFinal)
	}
	return err
}

// Put implements [storage.Remote]: written beside its place, synced, renamed.
func (f *folder) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.make(path.Dir(f.at(name))); err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	part := f.at(name) + "." + uuid.NewString()[:8] + ".partial"
	err = errors.Join(f.write(part, size, in), in.Close())
	if err == nil {
		err = bare(f.root.Rename(part, f.at(name)))
	}
	if err == nil {
		return f.syncFolder(path.Dir(part))
	}
	if rerr := f.root.Remove(part); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, bare(rerr))
	}
	return err
}

func (f *folder) write(part string, size int64, in io.Reader) error {
	out, err := f.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return bare(err)
	}
	counted := &counter{in: in}
	n, err := io.Copy(out, counted)
	if counted.err == nil { // an error of the content is told as it is: its giver knows what it means
		err = bare(err)
	}
	if err == nil {
		err = bare(out.Sync())
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = out.Stat(); err == nil && (n != size || info.Size() != size) {
			err = fmt.Errorf("%d bytes were to be written, %d were, %d arrived", size, n, info.Size())
		}
	}
	return errors.Join(err, out.Close())
}

func (f *folder) syncFolder(name string) error {
	dir, err := f.root.Open(name)
	if err != nil {
		return bare(err)
	}
	return errors.Join(bare(dir.Sync()), dir.Close())
}

// found looks at an object.
func (f *folder) found(ctx context.Context, name string) (fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := f.look(f.at(name))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
		return nil, storage.ErrNotFound
	case err != nil:
		return nil, err
	}
	return info, nil
}

// Open implements [storage.Remote].
func (f *folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if _, err := f.found(ctx, name); err != nil {
		return nil, err
	}
	in, err := f.root.Open(f.at(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, storage.ErrNotFound
	}
	if err != nil {
		return nil, bare(err)
	}
	return in, nil
}

// Stat implements [storage.Remote].
func (f *folder) Stat(ctx context.Context, name string) (storage.Object, error) {
	info, err := f.found(ctx, name)
	if err != nil {
		return storage.Object{}, err
	}
	return storage.Object{Name: name, Size: info.Size()}, nil
}

// entries lists one folder; none if it is not there.
func (f *folder) entries(ctx context.Context, name string) ([]fs.DirEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := f.look(f.at(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dir, err := f.root.Open(f.at(name))
	if err != nil {
		return nil, bare(err)
	}
	found, err := dir.ReadDir(-1)
	return found, errors.Join(bare(err), dir.Close())
}

// List implements [storage.Remote]. What is neither a file nor a folder is not listed.
func (f *folder) List(ctx context.Context, name string) ([]storage.Object, error) {
	all, err := f.entries(ctx, name)
	if err != nil {
		return nil, err
	}
	var found []storage.Object
	for _, e := range all {
		at := path.Join(name, e.Name())
		switch {
		case e.IsDir():
			below, err := f.List(ctx, at)
			if err != nil {
				return nil, err
			}
			found = append(found, below...)
		case e.Type().IsRegular():
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return nil, bare(err)
			}
			found = append(found, storage.Object{Name: at, Size: info.Size()})
		}
	}
	return found, nil
}

// Folders implements [storage.Remote].
func (f *folder) Folders(ctx context.Context, name string) ([]string, error) {
	all, err := f.entries(ctx, name)
	var found []string
	for _, e := range all {
		if e.IsDir() {
			found = append(found, path.Join(name, e.Name()))
		}
	}
	return found, err
}

// Remove implements [storage.Remote].
func (f *folder) Remove(ctx context.Context, name string) error {
	_, err := f.found(ctx, name)
	if err == nil {
		err = bare(f.root.Remove(f.at(name)))
	}
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close implements [storage.Remote].
func (f *folder) Close() error { return f.root.Close() }
