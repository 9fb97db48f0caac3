// Package survey answers what the cluster looks like from this coordinator: the
// health of every server, the status of all on one page, the endpoints of the
// coordinators. It puts together what the watch cache has, what supervision noted
// in its last round, and what agents say of themselves. When the agency does not
// answer soon, the cache alone must do.
//
// It only looks; nothing is changed and nothing is kept between requests.
package survey

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// Survey answers. Its methods are handlers and may be called from any goroutine.
type Survey struct {
	ID       string // this coordinator
	Agency   *agencyclient.Client
	Catalog  *catalog.Catalog
	Replicas Replicas
	HTTP     *http.Client    // for questions to other servers
	Ended    <-chan struct{} // closed when the server stops: nobody is told of new events any more
	Logger   hclog.Logger
}

// following is the life of an answer that goes on: until its client or the server
// goes. end must be called.
func (s *Survey) following(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-s.Ended:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watching.Wait()
	}
}

// agencyTimeout bounds what health and status ask of the agency.
const agencyTimeout = 2 * time.Second

// Endpoints are the coordinators that clients may go to.
func (s *Survey) Endpoints(c *rest.Call) error {
	ctx, cancel := context.WithTimeout(c.R.Context(), agencyTimeout)
	defer cancel()
	snap, err := s.Catalog.Sync(ctx)
	if err != nil {
		snap = s.Catalog.Cached() // better somewhat old than not at all
	}
	all := []rest.Fields{}
	for _, id := range snap.Coordinators() {
		if r, ok := snap.Registered(id); ok && (id == s.ID || !snap.Failed(id)) {
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
