package fanout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Answer is what one member answered.
type Answer[T any] struct {
	Member
	Value T
	Err   error // names the member
	At    time.Time
}

// Ask calls f for all members at once, each call bounded by timeout (0: not bounded), and
// waits for every answer. The answers come in the order of members. An error for which
// fatal is true cancels the other calls (nil: no error does).
func Ask[T any](ctx context.Context, members []Member, timeout time.Duration, fatal func(error) bool,
	f func(context.Context, Member) (T, error)) []Answer[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make([]Answer[T], len(members))
	var group sync.WaitGroup
	for i, m := range members {
		group.Go(func() {
			ctx := ctx
			if timeout > 0 {
				var done context.CancelFunc
				ctx, done = context.WithTimeout(ctx, timeout)
				defer done()
			}
			value, err := f(ctx, m)
			if err != nil {
				if err = m.Explain(err); fatal != nil && fatal(err) {
					cancel()
				}
			}
			answers[i] = Answer[T]{m, value, err, time.Now()}
		})
	}
	group.Wait()
	return answers
}

// Tell is Ask for requests without an answer. The first error cancels the other calls and
// is returned.
func Tell(ctx context.Context, members []Member, timeout time.Duration, f func(context.Context, Member) error) error {
	return FirstError(Ask(ctx, members, timeout, AnyError, Silently(f)))
}

// Silently turns a request without an answer into one for Ask.
func Silently(f func(context.Context, Member) error) func(context.Context, Member) (struct{}, error) {
	return func(ctx context.Context, m Member) (struct{}, error) { return struct{}{}, f(ctx, m) }
}

// AnyError is true for every error.
func AnyError(error) bool { return true }

// FirstError returns the earliest error. Later ones may only say that the first cancelled them.
func FirstError[T any](answers []Answer[T]) error { return FirstOf(answers, AnyError) }

// FirstOf returns the earliest error for which kind is true. An error that says "cancelled" comes
// after all others.
func FirstOf[T any](answers []Answer[T], kind func(error) bool) error {
	failed := slices.DeleteFunc(slices.Clone(answers), func(a Answer[T]) bool { return a.Err == nil || !kind(a.Err) })
	if len(failed) == 0 {
		return nil
	}
	return slices.MinFunc(failed, func(a, b Answer[T]) int {
		if ac, bc := errors.Is(a.Err, context.Canceled), errors.Is(b.Err, context.Canceled); ac != bc {
			if bc {
				return -1
			}
			return 1
		}
		return a.At.Compare(b.At)
	}).Err
}

// AllErrors joins the errors of all members. It returns nil if none failed.
func AllErrors[T any](answers []Answer[T]) error {
	var errs []error
	for _, a := range answers {
		errs = append(errs, a.Err)
	}
	return errors.Join(errs...)
}
