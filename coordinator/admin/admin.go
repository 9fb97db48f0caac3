package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// Agency is what jobs and wishes are written with.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// Admin answers. All fields are required.
type Admin struct {
	ID      string // this coordinator
	Agency  Agency
	Catalog *catalog.Catalog
	Logger  hclog.Logger
	Timing  Timing
}

// Timing says how long things may take. Zero fields take their default.
type Timing struct {
	Mode   time.Duration // the supervision taking notice of a maintenance mode; default 120 s
	Remove time.Duration // a server that is removed becoming unused; default 60 s
	Again  time.Duration // between two looks whether it is; default 1 s
	Agency time.Duration // one write on behalf of a client; default 10 s
}

// WithDefaults fills in what is not chosen.
func (t Timing) WithDefaults() Timing {
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

// Routes are the paths that an Admin answers.
func (a *Admin) Routes() []rest.Route {
	const cluster = "/_admin/cluster/"
	return []rest.Route{
		{Method: "POST", Pattern: cluster + "moveShard", Handler: a.moveShard},
		{Method: "POST", Pattern: cluster + "cleanOutServer", Handler: a.serverJob(keys.JobCleanOutServer)},
		{Method: "POST", Pattern: cluster + "resignLeadership", Handler: a.serverJob(keys.JobResignLeadership)},
		{Method: "POST", Pattern: cluster + "removeServer", Handler: a.removeServer},
		{Method: "GET", Pattern: cluster + "queryAgencyJob", Handler: a.queryJob},
		{Method: "POST", Pattern: cluster + "cancelAgencyJob", Handler: a.cancelJob},
		{Method: "POST", Pattern: cluster + "rebalanceShards", Handler: a.rebalanceShards},
		{Method: "GET", Pattern: cluster + "rebalance", Handler: a.imbalance},
		{Method: "POST", Pattern: cluster + "rebalance", Handler: a.computeRebalance},
		{Method: "PUT", Pattern: cluster + "rebalance", Handler: a.rebalance},
		{Method: "POST", Pattern: cluster + "rebalance/execute", Handler: a.executeRebalance},
		{Method: "GET", Pattern: cluster + "maintenance", Handler: a.mode},
		{Method: "PUT", Pattern: cluster + "maintenance", Handler: a.setMode},
		{Method: "GET", Pattern: cluster + "maintenance/{server}", Handler: a.serverMaintenance},
		{Method: "PUT", Pattern: cluster + "maintenance/{server}", Handler: a.setServerMaintenance},
		{Method: "GET", Pattern: cluster + "numberOfServers", Handler: a.numberOfServers},
		{Method: "PUT", Pattern: cluster + "numberOfServers", Handler: a.setNumberOfServers},
	}
}

// write applies a transaction that does not touch Plan.
func (a *Admin) write(ctx context.Context, tx agencyclient.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, a.Timing.Agency)
	defer cancel()
	index, err := a.Agency.Write(ctx, tx)
	if err != nil {
		return err
	}
	// So that the next request to this coordinator sees it; it is done in any case.
	if _, err := a.Catalog.Await(ctx, func(snap *catalog.Snapshot) bool { return snap.Index >= index }); err != nil {
		a.Logger.Debug("the watch cache is behind", "index", index, "error", err)
	}
	return nil
}

// agencyError is the answer when a write did not succeed.
func agencyError(err error) error {
	return apierror.New(apierror.AgencyFailed, "agency: %w", err).WithStatus(http.StatusServiceUnavailable)
}

// dbserver finds a DB server of Plan by its id or its short name.
func dbserver(snap *catalog.Snapshot, name string) (string, error) {
	for _, id := range snap.DBServers() {
		if id == name || snap.ShortName(id) == name {
			return id, nil
		}
	}
	return "", notFound("unknown DB server %q", name)
}

func notFound(format string, args ...any) error {
	return apierror.New(apierror.NotFound, format, args...)
}

func badParameter(format string, args ...any) error {
	return apierror.New(apierror.BadParameter, format, args...)
}

// serverOf reads a body that names a server, as a string or as the attribute
// server of an object, and into, whatever else is of interest in it.
func serverOf(c *rest.Call, into any) (string, error) {
	raw, err := c.JSON()
	if err != nil {
		return "", err
	}
	var name string
	if json.Unmarshal(raw, &name) == nil && name != "" {
		return name, nil
	}
	var body struct {
		Server string `json:"server"`
	}
	if json.Unmarshal(raw, &body) != nil || body.Server == "" {
		return "", badParameter(`want the attribute "server"`)
	}
	if into != nil && json.Unmarshal(raw, into) != nil {
		return "", badParameter("an attribute has the wrong type")
	}
	return body.Server, nil
}

// plain is a planned server without the mark of a leader that has to resign.
func plain(server string) string { return strings.TrimPrefix(server, keys.Resigned) }
