package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/google/uuid"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"
)

// Put implements storage.Remote. Where an object can be seen before it is whole, Put sends
// it under another name and moves it.
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
	defer r.listed.forget(name)
	ctx, unbind := r.pass.Bound(ctx)
	defer unbind()
	err = errors.Join(r.put(r.settings(ctx), name, size, counted), in.Close())
	if counted.err != nil {
		return counted.err // of the caller, who gave the content and knows what the error means
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
		if err := r.folders.make(ctx, path.Dir(path.Dir(name)), r.fs.Mkdir); err != nil {
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
