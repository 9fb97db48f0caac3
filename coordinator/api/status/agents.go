package status

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/rest"
	"stasis/internal/version"
)

// agentState is what an agent says about itself, and what the leader says about it.
type agentState struct {
	Process   keys.Process
	Endpoint  string
	Good      bool // it answers, and serves this cluster
	Leading   bool
	Leader    string // whom it takes for the leader
	LastAcked float64
	Note      string // why it does not serve this cluster; "" if it does
	Alarm     string // what is wrong with the agency although it serves
}

// agents asks every agent for its state.
func (a *API) agents(ctx context.Context) map[string]agentState {
	config, err := a.Agency.Config(ctx)
	if err != nil {
		a.Logger.Debug("the agency does not answer which agents it has", "error", err)
		return nil
	}
	var mu sync.Mutex
	all := map[string]agentState{}
	var asking sync.WaitGroup
	for _, id := range slices.Sorted(maps.Keys(config.Configuration.Pool)) { // in an order, so that runs can be repeated
		endpoint := config.Configuration.Pool[id]
		asking.Go(func() {
			state := agentState{Endpoint: endpoint, LastAcked: config.LastAcked[id].LastAckedTime}
			if own, err := a.Agency.ConfigOf(ctx, httpURL(endpoint)); err == nil {
				state.Process, state.Note = own.Process, a.noteOf(own)
				state.Good, state.Leader = state.Note == "", own.LeaderID
				state.Leading = state.Good && own.LeaderID == id
				if state.Good {
					state.Alarm = own.Tree.Alarm
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all[id] = state
		})
	}
	asking.Wait()
	return all
}

// noteOf returns why an agent that answers does not serve this cluster, "" if it does.
func (a *API) noteOf(own agencyclient.Config) string {
	mine := a.Agency.Origin()
	if kin := mine.Sees(own.Origin); mine.Exists() && own.Origin.Exists() && kin != keys.Same && kin != keys.Newer {
		return fmt.Sprintf("it belongs to %s, and this cluster's agency is %s: what it says is ignored", own.Origin, mine)
	}
	return own.Status
}

func httpURL(endpoint string) string {
	if rest, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		return "http://" + rest
	}
	return strings.Replace(endpoint, "ssl://", "https://", 1)
}

func (a agentState) fields() rest.Fields {
	status := "BAD"
	if a.Good {
		status = "GOOD"
	}
	fields := rest.Fields{
		"Role": "Agent", "Endpoint": a.Endpoint, "Status": status, "Engine": "rocksdb", "Version": version.API,
		"Leader": a.Leader, "Leading": a.Leading, "LastAckedTime": a.LastAcked, "CanBeDeleted": false,
	}
	if a.Process.Name != "" {
		fields["Name"] = a.Process.Name // ours
	}
	if a.Note != "" {
		fields["Note"] = a.Note // ours
	}
	if a.Alarm != "" {
		fields["Alarm"] = a.Alarm // ours
	}
	return fields
}
