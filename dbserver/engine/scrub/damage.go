package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"stasis/internal/failpoint"
)

// damage is an error that says that a table is not what was written.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

// Damage marks err: the table is not what was written. Any other error of a Check says only that it could
// not be read now, for example because the process has too many open files.
func Damage(err error) error { return damage{err} }

// isDamage says whether an error is the table's. The disk's own error for what it cannot read any more is one.
func isDamage(err error) bool {
	var d damage
	return errors.As(err, &d) || errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// confirm reads a table again that seems to be damaged: what goes wrong once, on the way from the disk,
// is not on the disk.
func (s *Scrubber) confirm(ctx context.Context, name string, first error) error {
	if !isDamage(first) {
		return first
	}
	err := s.table(ctx, name)
	if err == nil {
		s.Failed(fmt.Errorf("table %s was read without an error after: %w", name, first))
	}
	return err
}

// judge tells what it means that a table could not be read as it was written. It is read again later, and
// if nothing is wrong with it then, it is damaged no more.
func (s *Scrubber) judge(name string, err error) {
	s.tried[name] = time.Now()
	if !isDamage(err) && !failpoint.Off("damage-is-of-the-table") {
		s.Failed(fmt.Errorf("table %s: %w", name, err))
		return
	}
	if s.Book.Damaged(name, err) {
		s.Found(name, err)
	}
}
