package catalog

import (
	"strings"

	"stasis/internal/apierror"
)

// place chooses the leaders of n new shards: each goes to the DB server that leads
// the fewest so far, the first by id among equals. Servers that have failed get none.
func place(v *View, n int) ([]string, error) {
	load := v.ShardsLed()
	var candidates []string
	for _, server := range v.DBServers() {
		if !v.Failed(server) {
			candidates = append(candidates, server)
		}
	}
	if len(candidates) == 0 {
		return nil, apierror.New(apierror.TooFewDBServers, "not enough DB servers: none of %d is in good health", len(v.DBServers()))
	}
	leaders := make([]string, n)
	for i := range leaders {
		best := candidates[0]
		for _, server := range candidates[1:] {
			if load[server] < load[best] {
				best = server
			}
		}
		leaders[i] = best
		load[best]++
	}
	return leaders, nil
}

// ShardsLed counts the shards that each DB server leads by Plan, those being built
// included.
func (v *View) ShardsLed() map[string]int {
	led := map[string]int{}
	for _, collections := range v.dir.byID {
		for _, coll := range collections {
			for _, servers := range coll.Shards {
				if len(servers) > 0 {
					led[strings.TrimPrefix(servers[0], "_")]++
				}
			}
		}
	}
	return led
}
