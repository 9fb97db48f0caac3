package rclone

import (
	"context"
	"errors"
	"io"

	"github.com/rclone/rclone/fs"
)

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

// found is an object as it was listed, if it cannot have changed since. The second time
// the remote is asked again.
func (r *remote) found(ctx context.Context, name string) (fs.Object, error) {
	if o, known := r.listed.take(name); known {
		return o, nil
	}
	return r.fs.NewObject(ctx, name)
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
