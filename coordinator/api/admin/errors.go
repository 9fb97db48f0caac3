package admin

import (
	"net/http"

	"stasis/internal/apierror"
)

// agencyError is the answer when a write did not succeed.
func agencyError(err error) error {
	return apierror.New(apierror.AgencyFailed, "agency: %w", err).WithStatus(http.StatusServiceUnavailable)
}

func notFound(format string, args ...any) error {
	return apierror.New(apierror.NotFound, format, args...)
}

func badParameter(format string, args ...any) error {
	return apierror.New(apierror.BadParameter, format, args...)
}
