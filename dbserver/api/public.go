package api

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"stasis/dbserver/diskhealth"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/version"
	"stasis/internal/wall"
)

// Status is what a server says of itself.
type Status struct {
	Addr     string // that others reach
	State    string // SERVING, STARTUP or SHUTDOWN
	Hang     *diskhealth.Hang
	RebootID uint64
	Epoch    uint64 // of the open data
}

// public has what every server of a cluster answers to any client.
type public struct {
	id     string
	access *store.Access
	limits network.Limits
	status func() Status
	wall   wall.Clock
}

func publicRoutes(mux *http.ServeMux, p public) {
	get := func(path string, f func(r *http.Request) (any, error)) {
		mux.Handle(path, only(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
			answer, err := f(r)
			reply(r.Context(), w, answer, err)
		}))
	}
	type object = map[string]any
	get("/_api/version", func(r *http.Request) (any, error) {
		answer := object{"server": "arango", "license": "enterprise", "version": version.API}
		if r.URL.Query().Get("details") == "true" {
			answer["details"] = object{"mode": "server", "role": "PRIMARY", "v8-version": "none", "stasis-version": version.Stasis}
		}
		return answer, nil
	})
	get("/_admin/server/role", func(*http.Request) (any, error) {
		return object{"error": false, "code": http.StatusOK, "errorNum": 0, "role": "PRIMARY", "mode": "default"}, nil
	})
	get("/_admin/server/id", func(*http.Request) (any, error) {
		return object{"error": false, "code": http.StatusOK, "id": p.id}, nil
	})
	get("/_admin/server/availability", func(*http.Request) (any, error) {
		if err := p.access.State(); err != nil {
			return nil, apierror.New(apierror.ServiceUnavailable, "%w", err)
		}
		if hang := p.status().Hang; hang != nil {
			return nil, hang.Refusal()
		}
		return object{"error": false, "code": http.StatusOK, "mode": "default"}, nil
	})
	get("/_api/engine", func(*http.Request) (any, error) {
		return object{"name": "rocksdb", "supports": object{"indexes": []string{"primary"}}}, nil
	})
	began := time.Now()
	get("/_admin/statistics", func(*http.Request) (any, error) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return object{
			"error": false, "code": http.StatusOK, "time": float64(p.wall.Now().UnixMicro()) / 1e6, "enabled": true,
			"server": object{"uptime": time.Since(began).Seconds(), "physicalMemory": m.Sys},
			"system": object{"residentSize": m.Sys, "virtualSize": m.Sys, "numberOfThreads": runtime.NumGoroutine()},
		}, nil
	})
	for _, path := range []string{"/_admin/metrics", "/_admin/metrics/v2"} {
		mux.Handle(path, only(http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
			p.limits.ServeMetrics(w, tableMetrics(scrubbedOf(r.Context(), p.access))...)
		}))
	}
	get("/_admin/status", func(r *http.Request) (any, error) {
		answer := p.details()
		answer["tables"] = tableStatus(scrubbedOf(r.Context(), p.access)) // beyond what ArangoDB has
		return answer, nil
	})
}

// details is the answer to /_admin/status.
func (p public) details() map[string]any {
	type object = map[string]any
	s := p.status()
	serving := p.access.State() == nil && s.Hang == nil
	disk := "answers"
	if s.Hang != nil {
		disk = "hangs " + s.Hang.String()
	}
	return object{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": s.Addr,
		"serverInfo": object{
			"maintenance": !serving, "role": "PRIMARY", "serverId": p.id, "address": "tcp://" + s.Addr,
			"state": s.State, "readOnly": false, "writeOpsEnabled": serving,
			"disk": disk, "rebootId": s.RebootID, "epoch": s.Epoch,
		},
		"http": p.limits.Status(), // beyond what ArangoDB has
	}
}
