package runner

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// Job is one run that is to be made.
type Job struct {
	Scenario   string          `json:"scenario"` // its name, or the file that has it
	Source     []byte          `json:"source"`   // the YAML
	World      world.Kind      `json:"world"`
	Seed       uint64          `json:"seed"`
	LockMode   client.LockMode `json:"lockMode,omitempty"`   // of each backup; "": the servers' default. With LockModeNone it is the experiment that shows what the checks can see
	BreaksOver float64         `json:"breaksOver,omitempty"` // of the experiment: the least part of runs with a violation
}

// Unlocked reports whether the run is the experiment that shows what the checks can see: its backups hold up no writer.
func (j Job) Unlocked() bool { return j.LockMode == client.LockModeNone }

// Command repeats the run.
func (j Job) Command() string {
	c := fmt.Sprintf("stasis lab run %s --world %s --seed %d", quoted(j.Scenario), j.World, j.Seed)
	if j.LockMode != "" {
		c += " --mode " + string(j.LockMode)
	}
	return c
}

var plain = regexp.MustCompile(`^[\w./+=:@%,-]+$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// name is a folder's name for the run.
func (j Job) name() string {
	base := strings.TrimSuffix(filepath.Base(j.Scenario), filepath.Ext(j.Scenario))
	if j.LockMode != "" {
		base += "-" + string(j.LockMode)
	}
	return fmt.Sprintf("%s-%s-%d", base, j.World, j.Seed)
}

// folders are names of folders, a different one for each job: the same run can be asked for more than once.
func folders(jobs []Job) []string {
	all, taken := make([]string, len(jobs)), map[string]bool{}
	for i, j := range jobs {
		all[i] = j.name()
		for n := 2; taken[all[i]]; n++ {
			all[i] = fmt.Sprintf("%s-again-%d", j.name(), n)
		}
		taken[all[i]] = true
	}
	return all
}

// Result is a run that was made.
type Result struct {
	Job      Job             `json:"-"`
	LockMode client.LockMode `json:"lockMode,omitempty"` // that backups were asked for with; "": none was named
	Verdict  verdict.Verdict `json:"verdict"`
	CPU      time.Duration   `json:"cpu"`              // of this machine's processors; in JSON nanoseconds
	Repeat   string          `json:"repeat"`           // the command that makes the same run
	Folder   string          `json:"folder,omitempty"` // has verdict, history (also for elle-cli), events and output, if the run was bad or all are kept
}

// bad reports whether a person has to look at a run. Without locks a torn backup is what is looked for.
func (r Result) bad() bool {
	switch r.Verdict.Outcome {
	case verdict.Violated:
		return !r.experiment()
	case verdict.Broken:
		return true
	default:
		return false
	}
}

// experiment reports whether a run tells what the checks can see. A run without locks that is broken does not, nor does one that crashed
// or broke another promise: torn backups alone are what the gates prevent.
func (r Result) experiment() bool {
	switch r.Verdict.Outcome {
	case verdict.Broken:
		return false
	case verdict.Violated:
		return r.Job.Unlocked() && r.Verdict.Torn()
	default:
		return r.Job.Unlocked()
	}
}
