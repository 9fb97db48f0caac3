// Package rclone is the one door to rclone: it makes storage.Remote of any storage
// that rclone knows, with rclone as a library.
//
// The configuration comes with each call of Open, and is checked against a list of
// what a request may say (options.go, policy.go). It goes into an option map of that
// one backend: not into rclone's configuration file (none is opened), not into the
// environment (which is not read either), not into the context's or the process's
// settings. A wrapper such as crypt refers to another section of the same
// configuration, which rclone gets by a random name (open.go). Remotes that the operator has defined
// are used by their name (named.go). Every connection passes a gate that knows where no
// remote may be (gate.go, hosts.go). The local disk is not rclone's here (folder.go).
//
// Nothing that rclone logs is let out, since it may hold anything; its errors come
// back as a status and a short line (explain.go), with every value of the configuration blacked out
// that is not known to be harmless (scrub.go).
package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/cache"
	"github.com/rclone/rclone/fs/fserrors"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"
	"github.com/rclone/rclone/fs/walk"

	"stasis/dbserver/transfer/storage"
)

// Bounds of one call to a remote. What fails is tried again above.
const (
	connectTimeout  = 15 * time.Second
	silenceTimeout  = time.Minute // without a byte
	lowLevelRetries = 2
)

// silence keeps what rclone logs from everybody: it is of the whole process.
var silence = sync.OnceFunc(func() { fs.SetLogger(slog.DiscardHandler) })

// Backends names the kinds of storage that are built in.
func Backends() []string {
	var names []string
	for _, r := range fs.Registry {
		if !r.Hide {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// All says whether every backend that rclone has was asked for.
func All() bool { return all }

// remote is one backend at one path.
type remote struct {
	fs     fs.Fs
	hashes hash.Type // compared after a Put; noHash where it would cost
	*opening

	making sync.Mutex
	made   map[string]bool // folders

	mu     sync.Mutex
	listed map[string]fs.Object // immutable ones, each to be opened once without asking for it again
}

// noHash: nothing is compared but the size.
var noHash = hash.None

// mostListed bounds how many objects a remote remembers.
const mostListed = 20000

// settings gives a context rclone's settings; those of the process stay as they are.
// HTTP clients that are made with it go through the gate.
func settings(ctx context.Context, p *pass) context.Context {
	ctx, c := fs.AddConfig(ctx)
	c.LogLevel = fs.LogLevelOff
	c.LowLevelRetries = lowLevelRetries
	c.ConnectTimeout = fs.Duration(connectTimeout)
	c.Timeout = fs.Duration(silenceTimeout)
	c.UseServerModTime = true // no further request for a time that nobody looks at
	c.HTTPProxy = "socks5://" + p.proxy(forHTTP)
	return ctx
}

// Put implements storage.Remote. Where an object can be seen before it is whole it
// is sent under another name and moved.
func (r *remote) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) (err error) {
	defer guard(&err)
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	counted := &counter{in: in}
	defer r.forget(name)
	ctx, unbind := r.pass.bound(ctx)
	defer unbind()
	err = errors.Join(r.put(r.settings(ctx), name, size, counted), in.Close())
	if counted.err != nil {
		return counted.err // of the one who gave the content; it knows what it means
	}
	return r.translate(err)
}

func (r *remote) put(ctx context.Context, name string, size int64, in *counter) error {
	sums, err := hash.NewMultiHasherTypes(hash.NewHashSet(r.hashes))
	if err != nil {
		return err
	}
	features := r.fs.Features()
	if features.CanHaveEmptyDirectories {
		if err := r.make(ctx, path.Dir(path.Dir(name))); err != nil {
			return err
		}
	}
	target, moves := name, features.PartialUploads && features.Move != nil
	if moves {
		target = name + "." + uuid.NewString()[:8] + ".partial"
	}
	info := object.NewStaticObjectInfo(target, time.Now(), size, true, nil, r.fs)
	o, err := r.store(ctx, io.TeeReader(in, sums), info)
	if err == nil {
		err = r.arrived(ctx, o, size, in.n, sums)
	}
	if err == nil && moves {
		err = r.move(ctx, o, name)
	}
	if err != nil && moves {
		if left, nerr := r.fs.NewObject(ctx, target); nerr == nil {
			err = errors.Join(err, left.Remove(ctx))
		}
	}
	return err
}

// make makes a folder, once: the one above that of an object, whose own the backend
// makes. It would make this too, but only after it had asked for its own in vain, and
// with several objects at once each would.
func (r *remote) make(ctx context.Context, folder string) error {
	if folder == "." {
		folder = ""
	}
	r.making.Lock()
	defer r.making.Unlock()
	if r.made[folder] {
		return nil
	}
	err := r.fs.Mkdir(ctx, folder)
	r.made[folder] = err == nil
	return err
}

// store replaces an object where a Put would make a second one of the same name.
func (r *remote) store(ctx context.Context, in io.Reader, info fs.ObjectInfo) (fs.Object, error) {
	if r.fs.Features().DuplicateFiles {
		if o, err := r.fs.NewObject(ctx, info.Remote()); err == nil {
			return o, o.Update(ctx, in, info)
		}
	}
	return r.fs.Put(ctx, in, info)
}

func (r *remote) move(ctx context.Context, o fs.Object, name string) error {
	moved, err := r.fs.Features().Move(ctx, o, name)
	if err == nil {
		if moved.Size() != o.Size() {
			err = own("%d bytes arrived instead of %d", moved.Size(), o.Size())
		}
		return err
	}
	if old, nerr := r.fs.NewObject(ctx, name); nerr == nil { // some do not replace
		if rerr := old.Remove(ctx); rerr != nil {
			return errors.Join(err, rerr)
		}
		_, err = r.fs.Features().Move(ctx, o, name)
	}
	return err
}

// arrived compares what the remote has with what was sent.
func (r *remote) arrived(ctx context.Context, o fs.Object, size, sent int64, sums *hash.MultiHasher) error {
	if sent != size || o.Size() >= 0 && o.Size() != size {
		return own("%d bytes were to be sent, %d were, %d arrived", size, sent, o.Size())
	}
	if r.hashes == noHash {
		return nil
	}
	theirs, err := o.Hash(ctx, r.hashes)
	if err != nil {
		return fmt.Errorf("ask for the %v of what arrived: %w", r.hashes, err)
	}
	if ours := sums.Sums()[r.hashes]; !hash.Equals(ours, theirs) {
		return own("what arrived has another %v than what was sent", r.hashes)
	}
	return nil
}

// counter counts what is read and keeps the reader's own error.
type counter struct {
	in  io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// Open implements storage.Remote.
func (r *remote) Open(ctx context.Context, name string) (_ io.ReadCloser, err error) {
	defer guard(&err)
	ctx = r.settings(ctx)
	o, err := r.found(ctx, name)
	if err != nil {
		return nil, r.translate(err)
	}
	in, err := o.Open(ctx)
	if err != nil {
		return nil, r.translate(err)
	}
	return &reader{in, r}, nil
}

// found is an object as it was listed, if it cannot have changed since; the second time
// it is asked for again.
func (r *remote) found(ctx context.Context, name string) (fs.Object, error) {
	r.mu.Lock()
	o, known := r.listed[name]
	delete(r.listed, name)
	r.mu.Unlock()
	if known {
		return o, nil
	}
	return r.fs.NewObject(ctx, name)
}

func (r *remote) remember(o fs.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.listed) < mostListed {
		r.listed[o.Remote()] = o
	}
}

// forget is called when an object is replaced or removed here. When somebody else
// replaces immutable content, which was damaged then, a reader that has listed it before
// may still meet the old one, as if it had read earlier.
func (r *remote) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listed, name)
}

// reader translates errors of reading.
type reader struct {
	io.ReadCloser
	remote *remote
}

func (r *reader) Read(p []byte) (n int, err error) {
	defer guard(&err)
	n, err = r.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.remote.translate(err)
	}
	return n, err
}

func (r *reader) Close() error { return r.remote.translate(r.ReadCloser.Close()) }

// Stat implements storage.Remote.
func (r *remote) Stat(ctx context.Context, name string) (_ storage.Object, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.bound(ctx)
	defer unbind()
	o, err := r.fs.NewObject(r.settings(ctx), name)
	if err != nil {
		return storage.Object{}, r.translate(err)
	}
	return storage.Object{Name: name, Size: o.Size()}, nil
}

// List implements storage.Remote. Only a folder that is itself missing is empty; a
// list that broke off somewhere is an error.
func (r *remote) List(ctx context.Context, folder string) (_ []storage.Object, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.bound(ctx)
	defer unbind()
	ctx = r.settings(ctx)
	var found []storage.Object
	take := func(entries fs.DirEntries) error {
		for _, e := range entries {
			o, ok := e.(fs.Object)
			if !ok {
				continue
			}
			found = append(found, storage.Object{Name: o.Remote(), Size: o.Size()})
			if storage.Immutable(o.Remote()) {
				r.remember(o)
			}
		}
		return nil
	}
	below := []string{folder}
	if r.fs.Features().ListR == nil { // the folder itself first, so that it is known what is missing
		entries, err := r.fs.List(ctx, folder)
		if errors.Is(err, fs.ErrorDirNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, r.translate(err)
		}
		_ = take(entries) // never fails
		below = below[:0]
		entries.ForDir(func(d fs.Directory) { below = append(below, d.Remote()) })
	}
	for _, dir := range below {
		err := walk.ListR(ctx, r.fs, dir, true, -1, walk.ListObjects, take)
		if errors.Is(err, fs.ErrorDirNotFound) {
			if dir == folder && len(found) == 0 {
				return nil, nil
			}
			err = own("a folder vanished while it was listed")
		}
		if err != nil {
			return nil, r.translate(err)
		}
	}
	return found, nil
}

// Folders implements storage.Remote.
func (r *remote) Folders(ctx context.Context, folder string) (_ []string, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.bound(ctx)
	defer unbind()
	entries, err := r.fs.List(r.settings(ctx), folder)
	if errors.Is(err, fs.ErrorDirNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.translate(err)
	}
	var found []string
	entries.ForDir(func(d fs.Directory) { found = append(found, d.Remote()) })
	return found, nil
}

// Remove implements storage.Remote.
func (r *remote) Remove(ctx context.Context, name string) (err error) {
	defer guard(&err)
	ctx, unbind := r.pass.bound(ctx)
	defer unbind()
	ctx = r.settings(ctx)
	defer r.forget(name)
	o, err := r.fs.NewObject(ctx, name)
	if err == nil {
		err = o.Remove(ctx)
	}
	if err = r.translate(err); errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// Close implements storage.Remote. It also empties rclone's own cache of opened
// remotes, where those that a wrapper wraps are kept with their options.
func (r *remote) Close() (err error) {
	defer r.opening.close()
	defer guard(&err)
	if shut := r.fs.Features().Shutdown; shut != nil {
		err = r.translate(shut(r.settings(context.Background())))
	}
	cache.Clear()
	return err
}

// guard turns a panic of rclone into an error. Some of its backends trust that an answer
// has all its parts; one that a client has chosen for its answers must not end the
// server. What the backend was doing is not finished, so the remote is not used again.
func guard(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %w", storage.ErrFinal, own("the answer of the remote makes no sense: it broke the program that speaks with it"))
	}
}

// translate gives an error of rclone the meaning that callers know. Its text is of
// this program: see explain.
func (r *remote) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case r.pass.forbidden() != nil:
		return r.explain(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return context.Canceled
	case errors.Is(err, fs.ErrorObjectNotFound), errors.Is(err, fs.ErrorDirNotFound):
		return storage.ErrNotFound
	}
	told := r.explain(err)
	if errors.Is(err, fs.ErrorIsDir) || errors.Is(err, fs.ErrorNotAFile) || fserrors.IsFatalError(err) ||
		fserrors.IsNoRetryError(err) || errors.Is(err, fs.ErrorPermissionDenied) {
		return fmt.Errorf("%w: %w", storage.ErrFinal, told)
	}
	return told
}
