package reader

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Why a backup is not opened.
var (
	ErrIncomplete = errors.New("it is not complete")
	ErrDamaged    = errors.New("it is damaged")
	ErrUnreadable = errors.New("it cannot be read") // the disk or its permissions say so, which proves no damage
	ErrMixed      = errors.New("the pieces do not belong together")
	ErrTwice      = errors.New("a piece is given twice")
	ErrUnproven   = errors.New("its certificate does not hold")
	ErrRestore    = errors.New("its restore is refused")
)

// Refusal is the error of [Open] for pieces that are not one whole backup. It matches one of the reasons above.
type Refusal struct {
	ID       string // of the backup
	Because  error
	Problems []string // in detail
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("backup %s cannot be opened: %v: %s", r.ID, r.Because, strings.Join(r.Problems, "; "))
}

// Unwrap is the reason.
func (r *Refusal) Unwrap() error { return r.Because }

// reason tells a disk that refuses from content that is wrong.
func reason(err error) error {
	var disk *fs.PathError
	if errors.As(err, &disk) && !errors.Is(err, fs.ErrNotExist) {
		return ErrUnreadable
	}
	return ErrDamaged
}

func refused(id string, because error, format string, args ...any) *Refusal {
	return &Refusal{ID: id, Because: because, Problems: []string{fmt.Errorf(format, args...).Error()}}
}
