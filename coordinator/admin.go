package coordinator

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/rest"
	"stasis/internal/version"
)

const role = "COORDINATOR"

func (a *api) serverRoutes() []rest.Route {
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
		{Method: "GET", Pattern: "/_admin/cluster/health", Handler: a.survey.Health},
		{Method: "GET", Pattern: "/_admin/cluster/shardDistribution", Handler: a.survey.Distribution},
		{Method: "GET", Pattern: "/_admin/cluster/nodeVersion", Handler: a.survey.Node("ServerID", "/_api/version")},
		{Method: "GET", Pattern: "/_admin/cluster/nodeEngine", Handler: a.survey.Node("ServerID", "/_api/engine")},
		{Method: "GET", Pattern: "/_admin/cluster/nodeStatistics", Handler: a.survey.Node("ServerID", "/_admin/statistics")},
		{Method: "GET", Pattern: "/_admin/cluster/statistics", Handler: a.survey.Node("DBserver", "/_admin/statistics")},
		{Method: "GET", Pattern: "/_api/cluster/endpoints", Handler: a.survey.Endpoints},
	}
}

// metrics are this coordinator's numbers for Prometheus.
func (a *api) metrics(c *rest.Call) error {
	u := a.cursors.Usage()
	a.http.ServeMetrics(c.W,
		network.Metric{Name: "stasis_cursors", Kind: "gauge", Help: "Open cursors.", Value: u.Open},
		network.Metric{Name: "stasis_cursors_memory_bytes", Kind: "gauge", Help: "Bytes that are counted for open cursors.", Value: u.Bytes},
		network.Metric{Name: "stasis_cursors_memory_limit_bytes", Kind: "gauge", Help: "Bytes that open cursors may take.", Value: u.MaxBytes},
		network.Metric{Name: "stasis_cursors_refused_total", Kind: "counter", Help: "Cursors refused for want of memory.", Value: u.Refused},
	)
	return nil
}

func (a *api) version(c *rest.Call) error {
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

func (a *api) role(c *rest.Call) error {
	return c.OK(http.StatusOK, rest.Fields{"errorNum": 0, "role": role, "mode": "default"})
}

func (a *api) serverID(c *rest.Call) error { return c.OK(http.StatusOK, rest.Fields{"id": a.id}) }

func (a *api) mode(c *rest.Call) error { return c.OK(http.StatusOK, rest.Fields{"mode": "default"}) }

func (a *api) setMode(c *rest.Call) error {
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
	return apierror.New(apierror.BadParameter, "mode must be default or readonly")
}

// availability says whether requests on data are answered.
func (a *api) availability(c *rest.Call) error {
	if err := a.life.admit(); err != nil {
		return err
	}
	if err := a.catalog.Cached().Converged(); err != nil {
		return err
	}
	return c.OK(http.StatusOK, rest.Fields{"mode": "default"})
}

func (a *api) serverStatus(c *rest.Call) error {
	state := "SERVING"
	switch {
	case a.life.is(starting):
		state = "STARTUP"
	case a.life.is(stopping):
		state = "SHUTDOWN"
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return c.Answer(http.StatusOK, rest.Fields{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": host, "foxxApi": false,
		"serverInfo": rest.Fields{
			"maintenance": false, "role": role, "serverId": a.id, "address": "tcp://" + a.addr(), "state": state,
			"readOnly": false, "writeOpsEnabled": true, "rebootId": a.catalog.Cached().Known(a.id).RebootID,
		},
		"http": a.http.Status(), // ours
	})
}

func (a *api) time(c *rest.Call) error {
	return c.OK(http.StatusOK, rest.Fields{"time": seconds(time.Now())})
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (a *api) statistics(c *rest.Call) error {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return c.OK(http.StatusOK, rest.Fields{
		"time": seconds(time.Now()), "enabled": true,
		"server": rest.Fields{"uptime": time.Since(a.started).Seconds(), "physicalMemory": m.Sys},
		"system": rest.Fields{"residentSize": m.Sys, "virtualSize": m.Sys, "numberOfThreads": runtime.NumGoroutine()},
		"client": rest.Fields{"httpConnections": 0}, "http": rest.Fields{"requestsTotal": 0},
		"cursors": a.cursors.Usage(), // ours
	})
}

// rebootID is the number of this start, as the agency has it: supervision raises it
// when it gives a coordinator up.
func rebootID(snap *catalog.Snapshot, id string, registered uint64) uint64 {
	return max(registered, snap.Known(id).RebootID)
}
