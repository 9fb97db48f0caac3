package scenario

import (
	"time"

	"stasis/lab/workload"
)

// into makes a setter of a field.
func into[T any](to *T) func(any) { return func(v any) { *to = v.(T) } }

func clusterFields(c *Cluster) []Field {
	return []Field{
		{"agents", "How many agents.", "3", serversValue, into(&c.Agents)},
		{"dbservers", "How many DB servers.", "3", serversValue, into(&c.DBServers)},
		{"coordinators", "How many coordinators.", "2", serversValue, into(&c.Coordinators)},
		{"latency", "How long each message takes, apart from faults: a time, or the bounds between which it is drawn.", "0.1ms..1ms", rangeValue, func(v any) {
			d := v.([2]time.Duration)
			c.LatencyLeast, c.LatencyMost, c.LatencyWritten = d[0], d[1], true
		}},
		{"grace", "The age of a heartbeat from which the supervision takes a server for dead.", "10s", spanValue, into(&c.Grace)},
		{"clockSkew", "Each server's wall clock is wrong by up to this.", "0s", timeValue, into(&c.ClockSkew)},
		{"buggify", "The probability of a random delay at each failpoint.", "0%", partValue, into(&c.Buggify)},
	}
}

// workloadNames are the names of all workloads.
func workloadNames() []string {
	var names []string
	for _, w := range workload.List() {
		names = append(names, w.Name)
	}
	return names
}

func loadFields(s *workload.Spec) []Field {
	return []Field{
		{"clients", "How many clients.", "of the workload", countValue, into(&s.Clients)},
		{"accounts", "bank: how many accounts.", "of the workload", countValue, into(&s.Accounts)},
		{"keys", "How many keys.", "of the workload", countValue, into(&s.Keys)},
		{"shards", "How many shards the collection has.", "of the workload", countValue, into(&s.Shards)},
		{"replication", "How many replicas each shard has.", "of the workload", countValue, into(&s.Replication)},
		{"writeConcern", "How many replicas have to be in sync for a write.", "of the workload", countValue, into(&s.WriteConcern)},
		{"waitForSync", "Whether a write is synced before it is acknowledged.", "false", flagValue, into(&s.WaitForSync)},
		{"pace", "The pause between two operations of a client.", "of the workload", spanValue, into(&s.Pace)},
		{"lull", "The pause while no step of a backup or restore was reached for 30ms. A run has more operations where they matter, and takes less of a processor.", "as `pace`", spanValue, into(&s.Lull)},
		{"skew", "Of the choice of keys: 0 is uniform, otherwise the exponent of a Zipf distribution.", "0", numberValue, into(&s.Skew)},
	}
}

func powerFields(p *Power) []Field {
	return []Field{
		{"lockMode", "The lock mode of all backups then: with `none` they hold up no writer.", "", lockValue, into(&p.LockMode)},
		{"breaks", "The least part of runs in which a violation has to be found then.", "", breakValue, into(&p.BreaksOver)},
	}
}

// topField is a field of the whole scenario.
type topField struct{ name, about string }

var topFields = []topField{
	{"about", "A paragraph for people."},
	{"worlds", "Where it can run, if not wherever its actions can: bubble, inprocess, processes."},
	{"cluster", "The servers and what surrounds them."},
	{"load", "A list of workloads, each with its settings. Without it nothing is written but by the check at the end."},
	{"lasts", "How long the load runs at least; 3s."},
	{"do", "A list of steps: when, and what is done then: an action or a list of actions."},
	{"expect", "A list of what must hold. What always must hold needs no entry."},
	{"power", "The same scenario without a protection has to break that often: it shows what the checks can see."},
}

// WorldNames are the worlds.
var WorldNames = []string{"bubble", "inprocess", "processes"}
