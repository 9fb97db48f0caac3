package storage

import (
	"context"
	"errors"
	"io"

	"stasis/internal/wait"
)

// Retry says how a call is repeated that fails for a reason that may pass: the remote is
// away, throttles, or answers nonsense.
type Retry wait.Backoff

// Do calls do until it succeeds, at most Tries times. It returns [ErrNotFound], [ErrFinal]
// and [ErrLocal] at once.
func (r Retry) Do(ctx context.Context, do func() error) error {
	return wait.Backoff(r).Do(ctx, isFinal, do)
}

func isFinal(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrFinal) || errors.Is(err, ErrLocal)
}

// Retrying repeats the calls of a Remote as retry says. It does not repeat reads of what
// Open returned.
func Retrying(r Remote, retry Retry) Remote { return retrying{r, retry} }

type retrying struct {
	Remote
	retry Retry
}

func (r retrying) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	return r.retry.Do(ctx, func() error { return r.Remote.Put(ctx, name, size, open) })
}

func (r retrying) Open(ctx context.Context, name string) (in io.ReadCloser, err error) {
	err = r.retry.Do(ctx, func() error { in, err = r.Remote.Open(ctx, name); return err })
	return in, err
}

func (r retrying) Stat(ctx context.Context, name string) (o Object, err error) {
	err = r.retry.Do(ctx, func() error { o, err = r.Remote.Stat(ctx, name); return err })
	return o, err
}

func (r retrying) List(ctx context.Context, folder string) (all []Object, err error) {
	err = r.retry.Do(ctx, func() error { all, err = r.Remote.List(ctx, folder); return err })
	return all, err
}

func (r retrying) Folders(ctx context.Context, folder string) (all []string, err error) {
	err = r.retry.Do(ctx, func() error { all, err = r.Remote.Folders(ctx, folder); return err })
	return all, err
}

func (r retrying) Remove(ctx context.Context, name string) error {
	return r.retry.Do(ctx, func() error { return r.Remote.Remove(ctx, name) })
}
