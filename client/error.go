package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"stasis/internal/apierror"
)

// Conditions that errors of this package match with errors.Is.
var (
	// ErrInvalid: the request is malformed, or names something that cannot be.
	ErrInvalid = errors.New("invalid request")
	// ErrNotFound: the document, collection, database, backup, job or path does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name, key or unique value is taken.
	ErrExists = errors.New("already exists")
	// ErrConflict: a revision or another precondition does not hold, or another operation
	// concerns the same backup. Read again and decide.
	ErrConflict = errors.New("conflict")
	// ErrForbidden: the request needs other credentials, or is not allowed at all.
	ErrForbidden = errors.New("forbidden")
	// ErrAborted: the transaction is aborted, and the message says why. Nothing of it is done: begin another one.
	ErrAborted = errors.New("aborted")
	// ErrReadOnly: fewer replicas of the shard are in sync than the write concern asks for.
	ErrReadOnly = errors.New("read only")
	// ErrTooLarge: the request is larger than the coordinator accepts.
	ErrTooLarge = errors.New("too large")
	// ErrNoSpace: the disk of a DB server is full.
	ErrNoSpace = errors.New("no space")
	// ErrLockTimeout: the agency lock, or all gates together, could not be acquired in time.
	ErrLockTimeout = errors.New("lock timeout")
	// ErrUnavailable: there was no answer, or the coordinator, the agency or the DB servers
	// that are needed do not serve at the moment. Try again later or at another coordinator,
	// a request that changes something only unless the error matches [ErrUnknownOutcome] too.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnsupported: this version of Stasis does not have what was asked for.
	ErrUnsupported = errors.New("not supported")
	// ErrUnknownOutcome: the request changes something, and it cannot be excluded that the
	// change was or will be made. Look before you repeat it.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrCommitted: a restore is committed and completes by itself, but is not complete yet.
	ErrCommitted = errors.New("committed, but not complete yet")
)

// Error is an error that a coordinator answered.
type Error struct {
	Status  int    // of HTTP
	Number  int    // errorNum of the answer: the numbers are ArangoDB's
	Message string // for people

	unknown bool
	answer  *apierror.Error
}

// answered makes an Error of what apierror.FromResponse returned.
func answered(err error, r request) *Error {
	e := apierror.From(err)
	return &Error{Status: e.Status(), Number: int(e.Num), Message: e.Message, unknown: r.changes() && r.mayHaveHappened(e), answer: e}
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the error as the packages of this module know it.
func (e *Error) Unwrap() error {
	if e.answer == nil {
		return nil
	}
	return e.answer
}

// MarshalJSON writes the answer as the coordinator did.
func (e *Error) MarshalJSON() ([]byte, error) {
	if e.answer != nil {
		return json.Marshal(e.answer)
	}
	return json.Marshal(&apierror.Error{Num: apierror.Num(e.Number), Code: e.Status, Message: e.Message})
}

// Is matches the conditions of this package.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnknownOutcome:
		return e.unknown
	case ErrCommitted:
		return e.answer != nil && e.answer.Extra[apierror.Outcome] == apierror.OutcomeCommitted
	}
	c, known := conditions[target]
	return known && (slices.Contains(c.numbers, apierror.Num(e.Number)) || slices.Contains(c.statuses, e.Status) && !e.special())
}

// special reports whether the number says more than the status. The commands on backups answer most
// errors with status 400, as ArangoDB does, also those that no request can avoid.
func (e *Error) special() bool {
	if e.Status == http.StatusBadRequest && apierror.Num(e.Number).Status() != e.Status {
		return true
	}
	for _, c := range conditions {
		if slices.Contains(c.numbers, apierror.Num(e.Number)) {
			return true
		}
	}
	return false
}

// condition is what an error must have to be matched: one of the numbers; or one of the
// statuses, and a number that no condition has.
type condition struct {
	numbers  []apierror.Num
	statuses []int
}

var conditions = map[error]condition{
	ErrInvalid:   {numbers: []apierror.Num{apierror.BadRemote}, statuses: []int{http.StatusBadRequest, http.StatusMethodNotAllowed}},
	ErrNotFound:  {numbers: []apierror.Num{apierror.FileNotFound, apierror.NoSuchBackup}, statuses: []int{http.StatusNotFound}},
	ErrExists:    {numbers: []apierror.Num{apierror.DuplicateName, apierror.UniqueConstraint}},
	ErrConflict:  {numbers: []apierror.Num{apierror.Conflict, apierror.BackupConflict}, statuses: []int{http.StatusConflict, http.StatusPreconditionFailed}},
	ErrForbidden: {numbers: []apierror.Num{apierror.Forbidden}, statuses: []int{http.StatusUnauthorized, http.StatusForbidden}},
	ErrAborted:   {numbers: []apierror.Num{apierror.TransactionAborted}},
	ErrReadOnly:  {numbers: []apierror.Num{apierror.ReadOnly}},
	ErrTooLarge:  {numbers: []apierror.Num{apierror.DocumentTooLarge}, statuses: []int{http.StatusRequestEntityTooLarge}},
	ErrNoSpace:   {numbers: []apierror.Num{apierror.NoSpace}},
	ErrLockTimeout: {numbers: []apierror.Num{
		apierror.LockTimeout, apierror.BackupLockFailed, apierror.BackupLockRetry,
	}},
	ErrUnavailable: {
		numbers:  []apierror.Num{apierror.ShuttingDown, apierror.StartingUp, apierror.ConnectionLost, apierror.BackendUnavailable, apierror.NoLeader, apierror.NotLeader, apierror.BackupServersMissing},
		statuses: []int{http.StatusServiceUnavailable},
	},
	ErrUnsupported: {numbers: []apierror.Num{apierror.NotImplemented, apierror.Unsupported}, statuses: []int{http.StatusNotImplemented}},
}

// noAnswer is an error of a request that was not answered, or not to the end.
type noAnswer struct {
	text    string // what was asked for
	err     error
	unknown bool
}

func (e *noAnswer) Error() string { return e.text + ": " + e.err.Error() }

func (e *noAnswer) Unwrap() error { return e.err }

func (e *noAnswer) Is(target error) bool {
	return target == ErrUnavailable || target == ErrUnknownOutcome && e.unknown
}
