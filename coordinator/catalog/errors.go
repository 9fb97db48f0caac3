package catalog

import (
	"errors"
	"net/http"

	"stasis/internal/apierror"
)

func noCollection(name string) error {
	return apierror.New(apierror.CollectionNotFound, "collection or view not found: %s", name)
}

func noDatabase(name string) error {
	return apierror.New(apierror.DatabaseNotFound, "database not found: %s", name)
}

// agencyError is the answer to a client when the agency cannot be asked.
func agencyError(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return err
	}
	return apierror.New(apierror.AgencyFailed, "agency: %w", err).WithStatus(http.StatusServiceUnavailable)
}
