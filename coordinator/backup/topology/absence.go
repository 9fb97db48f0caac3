package topology

import (
	"time"

	"stasis/internal/apierror"
)

// Absence is the error for a backup that does not exist. It says who has deleted it, while that is
// known.
func (c *Cluster) Absence(id string, now time.Time) error {
	if d, deleted := c.Deletions[id]; deleted {
		return apierror.New(apierror.NotFound, "there is no backup %s: it was %s", id, d.Describe(now))
	}
	return apierror.New(apierror.NotFound, "there is no backup %s", id)
}
