// Package survey answers what the cluster looks like from this coordinator: the
// health of every server, the status of all on one page, the endpoints of the
// coordinators. It puts together what the watch cache has, what supervision noted
// in its last round, and what agents say of themselves. When the agency does not
// answer soon, the cache alone must do.
//
// It only looks; nothing is changed and nothing is kept between requests.
package survey

import (
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/coordinator/rest"
)

// Survey answers. Its methods are handlers and may be called from any goroutine.
type Survey struct {
	ID      string // this coordinator
	Agency  *agencyclient.Client
	Catalog *catalog.Catalog
	Logger  hclog.Logger
}

// agencyTimeout bounds what health and status ask of the agency.
const agencyTimeout = 2 * time.Second

// Endpoints are the coordinators that clients may go to.
func (s *Survey) Endpoints(c *rest.Call) error {
	v := s.Catalog.View()
	all := []rest.Fields{}
	for _, id := range v.Coordinators() {
		if r, ok := v.Registered(id); ok && (id == s.ID || !v.Failed(id)) {
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
