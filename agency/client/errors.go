package client

import "errors"

// The errors of calls. Test with errors.Is; the text says how the last attempt went.
var (
	// ErrPrecondition is returned when a leader answered that a precondition does not hold (which
	// includes the freeze of Plan). Nothing was applied.
	ErrPrecondition = errors.New("precondition failed")
	// ErrUnknown is returned when the transaction was sent and no leader has said what became of
	// it. It may have been applied, or may still be.
	ErrUnknown = errors.New("outcome unknown")
	// ErrUnavailable is returned when the context ended before a leader took the request. Nothing
	// was applied.
	ErrUnavailable = errors.New("agency unavailable")
	// ErrRejected is returned when the agency refuses the request for good, for example a
	// malformed operation or a key below .agency. Nothing was applied.
	ErrRejected = errors.New("rejected by the agency")
	// ErrEpochMoved is returned when a DB server cannot register for the first time because the
	// cluster's restore epoch is not the one it believes.
	ErrEpochMoved = errors.New("restore epoch has moved")
	// ErrDeletedMeanwhile is returned when a DB server that was removed from the cluster cannot come back
	// yet because backups were deleted, or it was removed again, since it looked at its
	// pieces.
	ErrDeletedMeanwhile = errors.New("backups were deleted since the server looked at its pieces")
)
