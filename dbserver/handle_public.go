package dbserver

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/version"
)

// publicRoutes are what every server of a cluster answers to anybody.
func (s *Server) publicRoutes(mux *http.ServeMux) {
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
		return object{"error": false, "code": http.StatusOK, "id": s.id}, nil
	})
	get("/_admin/server/availability", func(*http.Request) (any, error) {
		if err := s.access.state(); err != nil {
			return nil, apierror.New(apierror.ServiceUnavailable, "%w", err)
		}
		if err := s.health.Refusal(); err != nil {
			return nil, err
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
			"error": false, "code": http.StatusOK, "time": float64(time.Now().UnixMicro()) / 1e6, "enabled": true,
			"server": object{"uptime": time.Since(began).Seconds(), "physicalMemory": m.Sys},
			"system": object{"residentSize": m.Sys, "virtualSize": m.Sys, "numberOfThreads": runtime.NumGoroutine()},
		}, nil
	})
	for _, path := range []string{"/_admin/metrics", "/_admin/metrics/v2"} {
		mux.Handle(path, only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { s.config.HTTP.ServeMetrics(w) }))
	}
	get("/_admin/status", func(*http.Request) (any, error) { return s.publicStatus(), nil })
}

// publicStatus is the answer to /_admin/status.
func (s *Server) publicStatus() map[string]any {
	type object = map[string]any
	hang := s.health.Hang()
	serving := s.access.state() == nil && hang == nil
	disk := "answers"
	if hang != nil {
		disk = "hangs " + hang.String()
	}
	return object{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": s.Addr(),
		"serverInfo": object{
			"maintenance": !serving, "role": "PRIMARY", "serverId": s.id, "address": "tcp://" + s.Addr(),
			"state": s.status(), "readOnly": false, "writeOpsEnabled": serving,
			"disk": disk, "rebootId": s.reboot.Load(), "epoch": s.epoch.Load(),
		},
		"http": s.config.HTTP.Status(), // ours
	}
}
