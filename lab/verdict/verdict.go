// Package verdict has what is known after a run of the fault lab: whether a promise was broken, whether the
// faults met what they aimed at, and what each backup measured. It is plain data, written as JSON by the
// process that made the run and read by the one that started it.
package verdict

import "time"

// Outcome is how a run ended.
type Outcome string

// The outcomes, the worst last.
const (
	Passed   Outcome = "passed"
	Vacuous  Outcome = "vacuous"  // nothing was violated, but a fault missed what it aimed at, or too little happened
	Violated Outcome = "violated" // an expectation or an invariant does not hold
	Broken   Outcome = "broken"   // the run could not be made: the scenario, the world or the lab failed
)

// EnoughAtCuts is how many operations should straddle the cuts of a run. A run that has fewer says so.
const EnoughAtCuts = 100

// Verdict is the result of one run.
type Verdict struct {
	Scenario string  `json:"scenario"`
	World    string  `json:"world"`
	Seed     uint64  `json:"seed"`
	Outcome  Outcome `json:"outcome"`
	// Reason says in one line why a run is Vacuous or Broken.
	Reason     string      `json:"reason,omitempty"`
	Violations []Violation `json:"violations,omitempty"`
	Faults     []Fault     `json:"faults,omitempty"`
	Backups    []Backup    `json:"backups,omitempty"`
	// Operations is how many operations clients began. Straddling is how many of them were in flight while one of the scenario's
	// own backups was being taken that has succeeded: whether it has them follows from nothing that its client knew. AtCuts is how
	// many were in flight while the gates of one were asked for or held: those are what a cut that is not one instant tears first.
	// Backups that the check takes by itself, to see that the cluster serves, count in neither.
	Operations int `json:"operations"`
	Straddling int `json:"straddling"`
	AtCuts     int `json:"atCuts"`
	// Virtual is the time that the run took on its own clock, Real on this machine's. In JSON they are numbers of nanoseconds.
	Virtual time.Duration `json:"virtual"`
	Real    time.Duration `json:"real"`
	// Trace is the hash of all events in order: two runs with the same trace did the same.
	Trace string   `json:"trace,omitempty"`
	Notes []string `json:"notes,omitempty"` // for people
}

// Violation is one thing that does not hold.
type Violation struct {
	Check string        `json:"check"`          // the name of the checker, or the text of the expectation
	Line  int           `json:"line,omitempty"` // of the scenario, 0 if it is an invariant
	Text  string        `json:"text"`
	At    time.Duration `json:"at,omitempty"` // on the run's clock
}

// Fault is one fault that a scenario injected.
type Fault struct {
	Line  int    `json:"line"`
	Text  string `json:"text"`            // as the scenario has it
	Aimed string `json:"aimed,omitempty"` // the step it aimed at, if any
	// Refused is how often the cluster refused what was asked of it, and Why the last reason.
	Refused  int    `json:"refused,omitempty"`
	Why      string `json:"why,omitempty"`
	Injected int    `json:"injected"` // how often it was injected
	Met      int    `json:"met"`      // how many calls, messages or steps it concerned
	Overlaps int    `json:"overlaps"` // how often it was there while the step that it aimed at went on
}

// Backup is what was measured of one backup of a run.
type Backup struct {
	Label     string        `json:"label"`
	ID        string        `json:"id,omitempty"` // "": it failed
	Error     string        `json:"error,omitempty"`
	Attempts  int           `json:"attempts"`
	Window    time.Duration `json:"window"`    // of the last attempt
	DeadTime  time.Duration `json:"deadTime"`  // the longest that a gate was asked for and not yet released
	Hold      time.Duration `json:"hold"`      // from the last grant to the first release
	CutSkew   time.Duration `json:"cutSkew"`   // between the first and the last cut
	Slack     time.Duration `json:"slack"`     // how much longer the gates could have been held
	Straddles int           `json:"straddles"` // writes that were in flight at the cut
	// Straddling is how many operations of clients were in flight while it was taken, AtCut how many while its gates were asked
	// for or held.
	Straddling int `json:"straddling"`
	AtCut      int `json:"atCut"`
	// RPO is how old the youngest write was that a restore would lose if everything was lost when the
	// backup had been committed: from the cut to the commit. RTO is how long its restore took; 0: not restored.
	RPO time.Duration `json:"rpo"`
	RTO time.Duration `json:"rto"`
	// Earliest and Latest bound the one instant that the state is of, on the history's clock.
	Earliest time.Duration `json:"earliest"`
	Latest   time.Duration `json:"latest"`
	Checked  bool          `json:"checked"` // a reader has read it and the checkers have judged it
	// Unknown is what could not be measured or judged of it, and why. It is not taken for right.
	Unknown []string `json:"unknown,omitempty"`
}
