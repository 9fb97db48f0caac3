package admin

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/catalog"
	"stasis/internal/wall"
)

// Agency takes jobs and other wishes.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// API answers requests of administrators. All fields are required.
type API struct {
	ID       string // this coordinator
	Agency   Agency
	Catalog  *catalog.Catalog
	Logger   hclog.Logger
	Timeouts Timeouts
	Wall     wall.Clock
}

// Timeouts says how long things may take. Zero fields take their default.
type Timeouts struct {
	Mode   time.Duration // for the supervision to take notice of a maintenance mode; default 120 s
	Remove time.Duration // for a server that is removed to become unused; default 60 s
	Again  time.Duration // between two looks whether it is; default 1 s
	Agency time.Duration // of one write on behalf of a client; default 10 s
}

// WithDefaults fills in what is not chosen.
func (t Timeouts) WithDefaults() Timeouts {
	for _, field := range []struct {
		is  *time.Duration
		def time.Duration
	}{{&t.Mode, 2 * time.Minute}, {&t.Remove, time.Minute}, {&t.Again, time.Second}, {&t.Agency, 10 * time.Second}} {
		if *field.is <= 0 {
			*field.is = field.def
		}
	}
	return t
}

// write applies a transaction that does not touch Plan.
func (a *API) write(ctx context.Context, tx agencyclient.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, a.Timeouts.Agency)
	defer cancel()
	index, err := a.Agency.Write(ctx, tx)
	if err != nil {
		return err
	}
	// The next request to this coordinator shall see it. It is written in any case.
	if _, err := a.Catalog.Await(ctx, func(snap *catalog.Snapshot) bool { return snap.Index >= index }); err != nil {
		a.Logger.Debug("the watch cache is behind", "index", index, "error", err)
	}
	return nil
}
