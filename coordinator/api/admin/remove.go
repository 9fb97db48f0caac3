package admin

import (
	"context"
	"errors"
	"net/http"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
	"stasis/internal/wait"
)

// removeServer takes a server out of the cluster for good. It waits at most Timeouts.Remove
// until the server has failed and no shard uses it.
func (a *API) removeServer(c *rest.Call) error {
	name, err := serverOf(c, nil)
	if err != nil {
		return err
	}
	ctx := c.R.Context()
	waiting, cancel := context.WithTimeout(ctx, a.Timeouts.Remove)
	defer cancel()
	for {
		err := a.remove(ctx, name)
		var busy errBusy
		switch {
		case err == nil:
			return c.OK(http.StatusOK, nil)
		case !errors.As(err, &busy):
			return err
		case wait.For(waiting, a.Timeouts.Again) == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return apierror.New(apierror.PreconditionFailed, "server %s cannot be removed: %w", name, busy)
		}
	}
}

// errBusy says why a server cannot be removed now.
type errBusy string

func (e errBusy) Error() string { return string(e) }

// remove takes the server out, or returns errBusy.
func (a *API) remove(ctx context.Context, name string) error {
	var id string
	_, err := a.Catalog.Change(ctx, func(snap *catalog.Snapshot) (agencyclient.Tx, error) {
		var err error
		if id, err = server(snap, name); err != nil {
			return agencyclient.Tx{}, err
		}
		if why := obstacle(snap, id); why != "" {
			return agencyclient.Tx{}, errBusy(why)
		}
		return removal(snap, id, a.Wall.Stamp()), nil
	})
	if err == nil {
		a.Logger.Info("server removed", "server", id)
	}
	return err
}
