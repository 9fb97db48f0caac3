package status

import (
	"context"
	"net/http"

	"stasis/agency/keys"
	"stasis/internal/rest"
)

// endpoints answers with the addresses of the coordinators that have not failed. Drivers switch to
// these.
func (a *API) endpoints(c *rest.Call) error {
	ctx, cancel := context.WithTimeout(c.R.Context(), agencyTimeout)
	defer cancel()
	snap := a.Catalog.SyncOrCached(ctx)
	all := []rest.Fields{}
	for _, id := range snap.Coordinators() {
		if r, ok := snap.Registered(id); ok && (id == a.ID || !snap.Failed(id)) {
			all = append(all, rest.Fields{"endpoint": advertised(r)})
		}
	}
	return c.OK(http.StatusOK, rest.Fields{"endpoints": all})
}

func advertised(r keys.Registered) string {
	if r.AdvertisedEndpoint != "" {
		return r.AdvertisedEndpoint
	}
	return r.Endpoint
}
