package fsm

import "errors"

// The errors of [ParseTransaction] and of Outcome.Reason. Test with errors.Is.
var (
	// ErrEnvelope is returned when a transaction is not JSON, not an array, or its first element is
	// no object. The request that holds it is to be refused as a whole.
	ErrEnvelope = errors.New("malformed envelope")
	// ErrMalformed is returned when one transaction cannot be understood. Its result is 0; the
	// others of the request are applied.
	ErrMalformed = errors.New("malformed transaction")
	// ErrForbidden is returned when an operation's key begins with .agency.
	ErrForbidden = errors.New("keys that begin with .agency are reserved")
	// ErrPrecondition is returned when the preconditions at the paths in Outcome.Failed do not hold.
	ErrPrecondition = errors.New("precondition failed")
	// ErrFrozen is returned when the transaction would change Plan during a backup or restore. It
	// is a failed precondition too: errors.Is with [ErrPrecondition] holds.
	ErrFrozen error = frozenError{}
	// ErrNotApplicable is returned when an operation is well-formed but cannot be applied to the
	// value there, for example because a lock is held.
	ErrNotApplicable = errors.New("operation not applicable")

	// ErrLimit is returned when the tree would become heavier than the transaction's limit allows.
	ErrLimit = errors.New("the tree would be too large")

	// ErrMissing is returned by Decode of a value that does not exist.
	ErrMissing = errors.New("no such key")
	// ErrCorrupt is returned when an encoded command or snapshot is torn, damaged or of an unknown
	// format.
	ErrCorrupt = errors.New("corrupt")
)

type frozenError struct{}

func (frozenError) Error() string { return "Plan is frozen while a backup or restore holds the lock" }
func (frozenError) Unwrap() error { return ErrPrecondition }

// Why an encoded command or snapshot is corrupt.
var (
	errTorn     = errors.New("ends too early")
	errFormat   = errors.New("unknown format")
	errChecksum = errors.New("wrong checksum")
	errTrailing = errors.New("goes on after its end")
	errValue    = errors.New("not a value that is ever written")
)
