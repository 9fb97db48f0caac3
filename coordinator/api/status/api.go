// Package status answers what the cluster looks like from this coordinator: its state on one
// page, the health of every server, where the shards are, the supervision's jobs and events,
// and the endpoints of the coordinators. It combines the watch cache, what the supervision
// noted in its last pass, and what agents say about themselves. If the agency does not answer
// soon, it uses the cache alone.
//
// It only reads. Nothing is kept between requests, and handlers may be called from any
// goroutine.
package status

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/wall"
)

// Replicas asks DB servers what they hold.
type Replicas interface {
	Checksum(ctx context.Context, t dbclient.Target, shard string, r dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error)
}

// API answers. All fields are required.
type API struct {
	ID       string // this coordinator
	Agency   *agencyclient.Client
	Catalog  *catalog.Catalog
	Replicas Replicas
	HTTP     *http.Client    // for questions to other servers
	Ended    <-chan struct{} // closed when the server stops: then no answer goes on
	Logger   hclog.Logger
	Wall     wall.Clock
}

// following returns the context of an answer that goes on until its client goes or the server
// stops. end must be called.
func (a *API) following(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-a.Ended:
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
