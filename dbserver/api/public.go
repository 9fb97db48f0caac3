package api

import (
	"net/http"
	"os"
	"runtime"
	"time"

	"stasis/dbserver/diskhealth"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
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

	Transactions transaction.Status
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
			of := append(metrics(p.status().Transactions), tableMetrics(scrubbedOf(r.Context(), p.access))...)
			p.limits.ServeMetrics(w, of...)
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
	x := s.Transactions
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
		"http":         p.limits.Status(), // beyond what ArangoDB has
		"transactions": object{"open": x.Open, "committing": x.Bound, "prepared": x.Prepared, "inherited": x.Inherited, "bytes": x.Bytes},
	}
}

// metrics are what transactions hold here.
func metrics(s transaction.Status) []network.Metric {
	return []network.Metric{
		{Name: "stasis_transactions_open", Kind: "gauge", Help: "Parts of transactions that are open.", Value: s.Open},
		{Name: "stasis_transactions_committing", Kind: "gauge", Help: "Parts of transactions that are being committed.", Value: s.Bound},
		{Name: "stasis_transactions_prepared", Kind: "gauge", Help: "Transactions that are prepared on shards led here.", Value: s.Prepared},
		{Name: "stasis_transactions_inherited", Kind: "gauge", Help: "Transactions that a leader has found prepared when it began.", Value: s.Inherited},
		{Name: "stasis_transactions_bytes", Kind: "gauge", Help: "Bytes that open transactions have written.", Value: s.Bytes},
	}
}
