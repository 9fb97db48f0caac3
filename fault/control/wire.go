package control

import (
	"time"

	"stasis/event"
	"stasis/fault"
)

// Version is that of the protocol. Both ends must have the same.
const Version = 2

// Where sockets are, each in a directory of its own, which only its user may enter.
const (
	SocketName  = ".lab/socket"     // of a server that takes faults, from its data directory
	ClusterName = ".control/socket" // of stasis up, from the cluster's directory
)

// Verb is what an order asks for.
type Verb string

// The verbs. Those of nodes are for stasis up, the others for everything that takes faults.
const (
	HelloVerb Verb = "hello"

	NetCut      Verb = "net cut" // and so on: as the methods of fault.Network
	NetHeal     Verb = "net heal"
	NetHealAll  Verb = "net heal all"
	NetDelay    Verb = "net delay"
	NetThrottle Verb = "net throttle"
	NetDrop     Verb = "net drop"
	NetReset    Verb = "net reset"
	NetIsolate  Verb = "net isolate"
	NetRejoin   Verb = "net rejoin"
	NetFreeze   Verb = "net freeze"
	NetThaw     Verb = "net thaw"
	NetLatency  Verb = "net latency"
	NetMessage  Verb = "net message"
	NetMet      Verb = "net met"

	DiskHang Verb = "disk hang" // and so on: as the methods of fault.Disk
	DiskSlow Verb = "disk slow"
	DiskFail Verb = "disk fail"
	DiskFill Verb = "disk fill"
	DiskHeal Verb = "disk heal" // all faults of one disk

	RuleList Verb = "rule list"
	RuleMet  Verb = "rule met"
	RuleEnd  Verb = "rule end"
	HealAll  Verb = "heal all" // rules, holds, clocks, random delays

	Watch   Verb = "watch"
	Hold    Verb = "hold"
	Release Verb = "release"
	Clock   Verb = "clock"   // sets the wall clock of a server off by Order.By
	Buggify Verb = "buggify" // random delays at failpoints

	NodeList    Verb = "node list"
	NodeKill    Verb = "node kill"
	NodePause   Verb = "node pause"
	NodeResume  Verb = "node resume"
	NodeRestart Verb = "node restart"
)

// Order is a request. Each verb reads the fields that it needs.
type Order struct {
	Do     Verb          `json:"do"`
	Server string        `json:"server,omitempty"` // whose disk or clock; which node
	From   string        `json:"from,omitempty"`   // hosts
	To     string        `json:"to,omitempty"`
	Both   bool          `json:"both,omitempty"` // a rule of a link: what To sends to From, too, as one step
	By     time.Duration `json:"by,omitempty"`   // in JSON nanoseconds
	Jitter time.Duration `json:"jitter,omitempty"`
	Seed   uint64        `json:"seed,omitempty"`
	Rate   int64         `json:"rate,omitempty"` // bytes a second
	Calls  *Calls        `json:"calls,omitempty"`
	Bytes  int64         `json:"bytes,omitempty"` // that a full disk still takes
	Error  string        `json:"error,omitempty"` // what calls to the disk fail with: a name of [Errors]
	Rule   int64         `json:"rule,omitempty"`  // which rule; which hold

	Message *fault.Message `json:"message,omitempty"`
	Moment  *fault.Moment  `json:"moment,omitempty"`
	Random  *Random        `json:"random,omitempty"`
}

// Random are random delays at failpoints.
type Random struct {
	Seed        uint64        `json:"seed"`
	Probability float64       `json:"probability"` // of each point; 0 ends it
	Most        time.Duration `json:"most"`        // the longest delay
}

// Answer is what an order gives; which fields there are depends on the verb.
type Answer struct {
	Hello *Hello `json:"hello,omitempty"`
	Rule  *Rule  `json:"rule,omitempty"`  // the one that was made
	Rules []Rule `json:"rules,omitempty"` // of RuleList; of an order that makes several rules, those that were made
	Met   int    `json:"met,omitempty"`
	Nodes []Node `json:"nodes,omitempty"`
	Note  string `json:"note,omitempty"` // what is to be known besides

	Replaced []Rule `json:"replaced,omitempty"` // rules whose place the new one has taken, or that a rule of zero took back

	Silent map[string]string `json:"silent,omitempty"` // servers whose rules are unknown, and why
}

// Hello is who answers.
type Hello struct {
	Version int       `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`      // when the process was: two processes may have had one id
	ID      string    `json:"id,omitempty"` // of the server, if the process has one and knows it
	Lab     bool      `json:"lab"`          // it takes faults
	Servers []string  `json:"servers"`      // names
	Mode    string    `json:"mode,omitempty"`
	Dir     string    `json:"dir,omitempty"`
}

// Rule is a rule of the network, or a fault of a disk, that is in force.
type Rule struct {
	ID     int64         `json:"id"`
	Kind   string        `json:"kind"`             // "cut", "hang" and so on: the second word of the verb
	Holder string        `json:"holder,omitempty"` // the server whose process has the rule; "" if it is the only process
	Server string        `json:"server,omitempty"` // whose disk; the host that is isolated or frozen
	From   string        `json:"from,omitempty"`
	To     string        `json:"to,omitempty"`
	By     time.Duration `json:"by,omitempty"`
	Rate   int64         `json:"rate,omitempty"`
	Bytes  int64         `json:"bytes,omitempty"`
	Calls  *Calls        `json:"calls,omitempty"`
	Error  string        `json:"error,omitempty"`
	Since  time.Time     `json:"since"`
	Met    int           `json:"met"` // what it kept from arriving; the calls that it concerned

	Message *fault.Message `json:"message,omitempty"`
	Moment  *fault.Moment  `json:"moment,omitempty"` // of a hold: where it stops an operation
	Event   *event.Event   `json:"event,omitempty"`  // of a hold: the step that is held
	Over    string         `json:"over,omitempty"`   // of a hold: why it holds nothing any more, though it was not released

	Silent map[string]string `json:"silent,omitempty"` // of a hold: servers that hold nothing, and why
}

// Node is a server of a cluster.
type Node struct {
	Name      string `json:"name"` // dbserver-2
	ID        string `json:"id"`
	ShortName string `json:"shortName,omitempty"` // DBServer0001
	Role      string `json:"role"`
	PID       int    `json:"pid"` // 0: it does not run
	Dir       string `json:"dir,omitempty"`
	URL       string `json:"url"`
	Port      int    `json:"port"`
	State     State  `json:"state"`
	Reason    string `json:"reason,omitempty"` // why it is broken
}

// State is how a node is.
type State string

// The states.
const (
	Running State = "running"
	Paused  State = "paused"
	Stopped State = "stopped"
	Killed  State = "killed"
	Removed State = "removed"
	Broken  State = "broken"
	Unknown State = "unknown"
)

// request is a line of a controller.
type request struct {
	ID int64 `json:"id"`
	Order
}

// line is one of a process: an answer, or what follows it.
type line struct {
	ID     int64        `json:"id"`
	Answer *Answer      `json:"answer,omitempty"`
	Error  *Error       `json:"error,omitempty"`
	Event  *event.Event `json:"event,omitempty"` // of Watch; of a Hold: it is reached
	Over   string       `json:"over,omitempty"`  // of a Hold: it ended by itself, and why
}

// follows reports whether a line follows the answer of a request, or comes before it: it is not the answer.
func (l line) follows() bool { return l.Event != nil || l.Over != "" }
