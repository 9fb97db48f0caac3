package rclone

import (
	"context"
	"errors"
	"fmt"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/cache"
	"github.com/rclone/rclone/fs/fserrors"
	"github.com/rclone/rclone/fs/hash"

	"stasis/dbserver/transfer/storage"
)

// remote is one backend at one path.
type remote struct {
	fs     fs.Fs
	hashes hash.Type // compared after a Put; noHash where it would cost
	*opening

	folders folders
	listed  listed
}

// noHash says that only the size is compared.
var noHash = hash.None

// Remove implements [storage.Remote].
func (r *remote) Remove(ctx context.Context, name string) (err error) {
	defer guard(&err)
	ctx, unbind := r.pass.Bound(ctx)
	defer unbind()
	ctx = r.settings(ctx)
	defer r.listed.forget(name)
	o, err := r.fs.NewObject(ctx, name)
	if err == nil {
		err = o.Remove(ctx)
	}
	if err = r.translate(err); errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// Close implements [storage.Remote]. It also empties rclone's own cache of opened remotes,
// which keeps those that a wrapper wraps with their options.
func (r *remote) Close() (err error) {
	defer r.opening.close()
	defer guard(&err)
	if shut := r.fs.Features().Shutdown; shut != nil {
		err = r.translate(shut(r.settings(context.Background())))
	}
	cache.Clear()
	return err
}

// guard turns a panic of rclone into an error. Some of its backends assume that an answer has
// all its parts, and a remote that a client has chosen for its answers must not end the
// server. The error is storage.ErrFinal, because the backend may be in any state.
func guard(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %w", storage.ErrFinal, own("the answer of the remote makes no sense: it broke the program that speaks with it"))
	}
}

// translate gives an error of rclone the meaning that callers know. Its text is this
// program's, see explain.
func (r *remote) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case r.pass.Forbidden() != nil:
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
