package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"

	"stasis/agency/answer"
	"stasis/agency/fence"
	"stasis/agency/quota"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/version"
)

// server answers what every server of a cluster is asked.
type server struct {
	id        string
	advertise string
	running   context.Context
	fence     *fence.Fence
	limits    network.Limits
	quota     *quota.Quota
	tree      Tree
}

// ok is the envelope of successful answers outside the agency's own calls.
func ok(more map[string]any) map[string]any {
	body := map[string]any{"error": false, "code": http.StatusOK}
	maps.Copy(body, more)
	return body
}

// version tells which API is spoken.
func (s *server) version(w http.ResponseWriter, r *http.Request) error {
	body := map[string]any{"server": "arango", "license": "enterprise", "version": version.API}
	if r.URL.Query().Get("details") == "true" {
		body["details"] = map[string]string{
			"mode": "server", "role": "AGENT", "v8-version": "none", "stasis-version": version.Stasis,
		}
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

// role is the same for every agent.
func (s *server) role(w http.ResponseWriter, _ *http.Request) error {
	answer.Write(w, http.StatusOK, ok(map[string]any{"errorNum": 0, "role": "AGENT", "mode": "default"}))
	return nil
}

// identify tells the id of the agent.
func (s *server) identify(w http.ResponseWriter, _ *http.Request) error {
	answer.Write(w, http.StatusOK, ok(map[string]any{"id": s.id}))
	return nil
}

// availability is 200 while the agent runs and its disk does, whether there is a leader or not.
func (s *server) availability(w http.ResponseWriter, _ *http.Request) error {
	if err := s.fence.Err(); err != nil {
		return apierror.New(apierror.ServiceUnavailable, "%w", err)
	}
	if s.running.Err() != nil {
		return apierror.New(apierror.ShuttingDown, "agent is stopping")
	}
	answer.Write(w, http.StatusOK, ok(map[string]any{"mode": "default"}))
	return nil
}

// metrics are this agent's numbers for Prometheus.
func (s *server) metrics(w http.ResponseWriter, _ *http.Request) error {
	tree, alarm := s.quota.State(s.tree.State().Weight()), 0
	if tree.Alarm != "" {
		alarm = 1
	}
	s.limits.ServeMetrics(w,
		network.Metric{Name: "stasis_agency_tree_bytes", Kind: "gauge", Help: "Bytes that the tree takes, about.", Value: tree.Bytes},
		network.Metric{Name: "stasis_agency_tree_quota_bytes", Kind: "gauge", Help: "Bytes that clients may fill the tree up to.", Value: tree.Quota},
		network.Metric{Name: "stasis_agency_tree_alarm", Kind: "gauge", Help: "1 if the tree is nearly full.", Value: alarm},
		network.Metric{Name: "stasis_agency_tree_refused_total", Kind: "counter", Help: "Transactions refused because of the quota of the tree.", Value: tree.Refused},
	)
	return nil
}

// status describes the process.
func (s *server) status(w http.ResponseWriter, _ *http.Request) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	body := map[string]any{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": host,
		"serverInfo": map[string]any{
			"maintenance": false, "role": "AGENT", "serverId": s.id, "address": "tcp://" + s.advertise,
			"state": "SERVING", "readOnly": false, "writeOpsEnabled": true, "rebootId": 0,
		},
	}
	body["http"] = s.limits.Status() // ours
	if h := s.fence.Hang(); h != nil {
		body["diskHangs"] = h.Health() // ours
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}
