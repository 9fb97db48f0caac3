package operation

import (
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// ErrOutcomeUnknown marks the error of an operation whose commit may have happened: the
// coordinator could not find out. Nothing was undone. When the DB servers reach the agency, they
// ask it, and complete or remove what they have.
var ErrOutcomeUnknown = errors.New("outcome unknown")

// Cause returns the error of work that failed with err in ctx. If ctx has ended, that is the cause
// of its end: a request that a lost lease cut off reports the lease, not "context canceled". An
// [ErrOutcomeUnknown] stays as it is. While ctx lasts, Cause returns err.
func Cause(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return apierror.New(apierror.Cancelled, "cancelled by the client: %w", cause)
	}
	if errors.Is(err, cause) { // and says more
		return err
	}
	return cause
}

// AgencyError numbers an error of the agency: [apierror.ServiceUnavailable] if the agency
// could not be reached. Other errors stay as they are.
func AgencyError(err error) error {
	if errors.Is(err, agencyclient.ErrUnavailable) || errors.Is(err, agencyclient.ErrUnknown) {
		return apierror.New(apierror.ServiceUnavailable, "%w", err)
	}
	return err
}

// Numbered gives num to an error of an operation that has no number for clients. The numbers of a
// lost connection and of a wrong epoch are between servers, so they do not count.
func Numbered(num apierror.Num, what string, err error) error {
	var e *apierror.Error
	if !errors.As(err, &e) || e.Num == apierror.ConnectionLost || e.Num == apierror.WrongEpoch {
		return apierror.New(num, "%s: %w", what, err)
	}
	return err
}

const retryTries = 3

// RetryPause is the pause before a request that failed is repeated.
const RetryPause = 100 * time.Millisecond

// Retry makes an idempotent request up to three times, until it succeeds.
func Retry(ctx context.Context, do func(context.Context) error) error {
	return wait.Retry(ctx, retryTries, RetryPause, do)
}
