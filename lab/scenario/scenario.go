package scenario

import (
	"time"

	"stasis/lab/workload"
)

// Scenario is a scenario that was read and checked.
type Scenario struct {
	Name    string
	About   string   // a paragraph
	Worlds  []string // in which it can run; empty: what its actions allow
	Cluster Cluster
	Load    []Load
	Lasts   time.Duration // how long the load runs at least, before anything is healed at the end
	Do      []Step
	Expect  []Expectation
	Power   *Power
	Source  []byte // the YAML
}

// Cluster is the topology and what surrounds it.
type Cluster struct {
	Agents, DBServers, Coordinators int
	LatencyLeast, LatencyMost       time.Duration
	Grace                           time.Duration
	ClockSkew                       time.Duration // each server's wall clock is wrong by up to this
	Buggify                         float64       // probability of a random delay at each failpoint; 0: none
	LatencyWritten                  bool          // the scenario states its latency
	Line                            int
}

// Load is a workload of the scenario.
type Load struct {
	Spec workload.Spec
	Line int

	replicas int // of each shard, as the workload has them
}

// Step is one entry of `do`: when, and what.
type Step struct {
	When    When
	Actions []Action
	Line    int
}

// When is the moment of a step. One of At, Event and After is set.
type When struct {
	At    *time.Duration // since the load began
	Event *Moment
	After []string      // labels of operations that must have ended: "both" and "all" are resolved
	Every time.Duration // with At: again and again
	Until time.Duration // with Every: not later than this; 0: as long as the load runs at least
	Ends  Ending        // with After: how they must have ended
	Later time.Duration // with After: so much later
	Mixed bool          // with At or After: the seed draws the order of the actions
	Text  string
}

// Ending is how an operation ended.
type Ending string

// The endings.
const (
	Ends     Ending = "" // in any way
	Fails    Ending = "fails"
	Succeeds Ending = "succeeds"
)

// Moment is a step of an operation.
type Moment struct {
	Operations []string // labels; empty: any
	Step       string   // event.Name; "": one of Among, which the seed chooses
	Among      []string
	From       string // the first of Among; "": that of the operation
	Before     string // which ends Among; "": none
	On         string // server name; "": any
	Passed     int    // so many such moments pass first
}

// Action is one thing that is done: Verb and its arguments as the grammar of the verb has them.
type Action struct {
	Verb string            // "backup", "cut", "heal", "kill", …: the name of a form of [Actions]
	Args map[string]string // by the name of the argument
	Text string            // as written
	Line int
}

// Expectation is one entry of `expect`.
type Expectation struct {
	Kind string // "exactly one", "one instant", "nothing left", "longest", …: the name of a form of [Expectations]
	Args map[string]string
	Text string
	Line int
}

// Power is an experiment that must fail often enough without the protection: it shows what the checks can see.
type Power struct {
	LockMode   string  // "none"
	BreaksOver float64 // the least part of runs in which a violation has to be found
	Line       int
}

// Operation is an operation on a backup that a scenario starts.
type Operation struct {
	Label  string // "a"; "restore-a"
	Kind   string // "create", "restore", …: what events name it
	Backup string // label of the backup
	On     string // expression of the coordinator
	Line   int
}
