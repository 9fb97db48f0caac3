package swarm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"stasis/lab/scenario"
)

// Draw draws the scenario of a seed. can says which features, as [scenario.Requires] names them, its world has; nil: all.
func Draw(seed uint64, can func(feature string) bool) (*scenario.Scenario, error) {
	if can == nil {
		can = func(string) bool { return true }
	}
	d := &draw{random: rand.New(rand.NewPCG(seed, 21)), can: can}
	d.cluster()
	if d.can(scenario.PowerCut) && d.can(scenario.AgentDisks) && d.one(8) {
		d.sync = true
		d.darkness()
	} else {
		d.victims()
		d.faults()
	}
	name := fmt.Sprintf("swarm-%d", seed)
	s, err := scenario.Parse(name, []byte(d.text(seed)))
	if err != nil {
		return nil, fmt.Errorf("what seed %d draws is no scenario, which is a fault of the swarm: %w", seed, err)
	}
	return s, nil
}

func (d *draw) cluster() {
	d.agents, d.dbservers, d.coordinators = of(d, 3, 3, 5), 3+d.random.IntN(2), 2
	d.replicas = of(d, 2, 2, 3)
	d.backups = 2 + d.random.IntN(3)
}

// begin adds the steps that begin the backups.
func (d *draw) begin() {
	at := d.between(500*time.Millisecond, time.Second)
	for n := range d.backups {
		d.step("at "+at.String(), fmt.Sprintf("backup %s on coordinator-%d timeout 20s", label(n), 1+d.random.IntN(d.coordinators)))
		at += d.between(0, 3*time.Second)
	}
}

// load is a workload that is drawn.
func (d *draw) load() string {
	name := of(d, "bank", "bank", "chain", "documents")
	clients, shards, pace := 2+d.random.IntN(4), of(d, 1, 3, 6), d.between(10*time.Millisecond, 40*time.Millisecond)
	settings := fmt.Sprintf("clients: %d, shards: %d, replication: %d, pace: %v, lull: %v", clients, shards, d.replicas, pace, 10*pace)
	if d.sync {
		settings += ", waitForSync: true"
	}
	return fmt.Sprintf("%s: {%s}", name, settings)
}

// text is the YAML.
func (d *draw) text(seed uint64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "about: >\n  Seed %d of the swarm: faults within what the cluster has to survive, then everything heals and it serves.\n", seed)
	fmt.Fprintf(&b, "cluster: {agents: %d, dbservers: %d, coordinators: %d, grace: %v", d.agents, d.dbservers, d.coordinators, d.between(3*time.Second, 6*time.Second))
	if d.can(scenario.Latency) {
		fmt.Fprintf(&b, ", latency: 0.1ms..%v", of(d, time.Millisecond, time.Millisecond, 5*time.Millisecond))
	}
	if d.can(scenario.RandomDelays) && d.one(4) {
		fmt.Fprintf(&b, ", buggify: %d%%", 1+d.random.IntN(5))
	}
	if d.can(scenario.ClockSkew) && d.one(4) {
		fmt.Fprintf(&b, ", clockSkew: %v", d.between(time.Second, time.Hour))
	}
	fmt.Fprintf(&b, "}\nload: [%s]\n", d.load())
	d.begin()
	fmt.Fprintf(&b, "do:\n%s", strings.Join(d.steps, ""))
	b.WriteString("expect: [nothing left within 90s, serves within 120s, nothing lost]\n")
	return b.String()
}
