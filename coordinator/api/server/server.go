// Package server answers requests about the coordinator itself: its version, role, id, phase
// and figures.
package server

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"stasis/coordinator/catalog"
	"stasis/coordinator/cursor"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/rest"
	"stasis/internal/version"
	"stasis/internal/wall"
)

const role = "COORDINATOR"

// Phase is what the coordinator does: it starts, serves or stops.
type Phase interface {
	Admit() error // nil if it answers requests on data
	State() string
}

// Cursors counts open cursors.
type Cursors interface{ Usage() cursor.Usage }

// Metrics are what a part of the coordinator counts.
type Metrics interface{ Metrics() []network.Metric }

// API answers. All fields but Wall are required.
type API struct {
	ID      string
	Addr    func() string // advertised host:port
	Started time.Time
	Wall    wall.Clock // nil is the system's
	Phase   Phase
	Limits  network.Limits
	Catalog *catalog.Catalog
	Cursors Cursors
	Counted []Metrics
}

// Routes returns the paths that an API answers.
func (a *API) Routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Pattern: "/_api/version", Handler: a.version, Always: true},
		{Method: "GET", Pattern: "/_admin/version", Handler: a.version, Always: true},
		{Method: "GET", Pattern: "/_admin/server/role", Handler: a.role, Always: true},
		{Method: "GET", Pattern: "/_admin/server/id", Handler: a.serverID, Always: true},
		{Method: "GET", Pattern: "/_admin/server/mode", Handler: a.mode, Always: true},
		{Method: "PUT", Pattern: "/_admin/server/mode", Handler: a.setMode},
		{Method: "GET", Pattern: "/_admin/server/availability", Handler: a.availability, Always: true},
		{Method: "GET", Pattern: "/_admin/status", Handler: a.serverStatus, Always: true},
		{Method: "GET", Pattern: "/_admin/metrics", Handler: a.metrics, Always: true},
		{Method: "GET", Pattern: "/_admin/metrics/v2", Handler: a.metrics, Always: true},
		{Method: "GET", Pattern: "/_admin/time", Handler: a.time, Always: true},
		{Method: "GET", Pattern: "/_admin/statistics", Handler: a.statistics, Always: true},
		{Method: "GET", Pattern: "/_admin/license", Handler: func(c *rest.Call) error {
			return c.Answer(http.StatusOK, rest.Fields{"status": "good", "upgrading": false, "features": rest.Fields{}})
		}},
		{Method: "GET", Pattern: "/_api/engine", Handler: func(c *rest.Call) error {
			return c.Answer(http.StatusOK, rest.Fields{"name": "rocksdb", "supports": rest.Fields{"indexes": []string{"primary"}}})
		}},
	}
}

// metrics answers with this coordinator's metrics for Prometheus.
func (a *API) metrics(c *rest.Call) error {
	u := a.Cursors.Usage()
	all := []network.Metric{
		{Name: "stasis_cursors", Kind: "gauge", Help: "Open cursors.", Value: u.Open},
		{Name: "stasis_cursors_memory_bytes", Kind: "gauge", Help: "Bytes that are counted for open cursors.", Value: u.Bytes},
		{Name: "stasis_cursors_memory_limit_bytes", Kind: "gauge", Help: "Bytes that open cursors may take.", Value: u.MaxBytes},
		{Name: "stasis_cursors_refused_total", Kind: "counter", Help: "Cursors refused for want of memory.", Value: u.Refused},
	}
	for _, part := range a.Counted {
		all = append(all, part.Metrics()...)
	}
	a.Limits.ServeMetrics(c.W, all...)
	return nil
}

func (a *API) version(c *rest.Call) error {
	f := rest.Fields{"server": "arango", "license": "enterprise", "version": version.API}
	details, err := c.Flag("details", false)
	if err != nil {
		return err
	}
	if details {
		f["details"] = map[string]string{
			"mode": "server", "role": role, "v8-version": "none", "server-version": version.API, "stasis-version": version.Stasis,
			"go-version": runtime.Version(), "platform": runtime.GOOS, "architecture": runtime.GOARCH,
		}
	}
	return c.Answer(http.StatusOK, f)
}

func (a *API) role(c *rest.Call) error {
	return c.OK(http.StatusOK, rest.Fields{"errorNum": 0, "role": role, "mode": "default"})
}

func (a *API) serverID(c *rest.Call) error { return c.OK(http.StatusOK, rest.Fields{"id": a.ID}) }

func (a *API) mode(c *rest.Call) error { return c.OK(http.StatusOK, rest.Fields{"mode": "default"}) }

func (a *API) setMode(c *rest.Call) error {
	var body struct {
		Mode string `json:"mode"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	switch body.Mode {
	case "default":
		return a.mode(c)
	case "readonly":
		return apierror.New(apierror.NotImplemented, "the mode readonly is not supported by this version")
	}
	return apierror.New(apierror.BadParameter, "mode %q: want default or readonly", body.Mode)
}

// availability answers 200 if the coordinator answers requests on data.
func (a *API) availability(c *rest.Call) error {
	if err := a.Phase.Admit(); err != nil {
		return err
	}
	if err := a.Catalog.Cached().Converged(); err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"mode": "default"})
}

func (a *API) serverStatus(c *rest.Call) error {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return c.Answer(http.StatusOK, rest.Fields{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": host, "foxxApi": false,
		"serverInfo": rest.Fields{
			"maintenance": false, "role": role, "serverId": a.ID, "address": "tcp://" + a.Addr(), "state": a.Phase.State(),
			"readOnly": false, "writeOpsEnabled": true, "rebootId": a.Catalog.Cached().Known(a.ID).RebootID,
		},
		"http": a.Limits.Status(), // ours
	})
}

func (a *API) time(c *rest.Call) error {
	return c.OK(http.StatusOK, rest.Fields{"time": seconds(a.Wall.Now())})
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (a *API) statistics(c *rest.Call) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return c.OK(http.StatusOK, rest.Fields{
		"time": seconds(a.Wall.Now()), "enabled": true,
		"server": rest.Fields{"uptime": time.Since(a.Started).Seconds(), "physicalMemory": m.Sys},
		"system": rest.Fields{"residentSize": m.Sys, "virtualSize": m.Sys, "numberOfThreads": runtime.NumGoroutine()},
		"client": rest.Fields{"httpConnections": 0}, "http": rest.Fields{"requestsTotal": 0},
		"cursors": a.Cursors.Usage(), // ours
	})
}
