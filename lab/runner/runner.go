// Package runner makes runs of scenarios: one child process a run, several at once, each with a seed and a
// watchdog in real time.
//
// A run is a process of its own for three reasons: what it draws from crypto/rand and math/rand comes from its seed; a
// run that hangs or crashes takes no other with it; and what a run leaves in memory ends with it. The child is the program that
// asks for the runs, started again: it has to call [Child] when [IsChild] says so. In world bubble the child makes itself a
// test with one function, which is a bubble of testing/synctest.
package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stasis/lab/verdict"
	"stasis/lab/world"
)

// Job is one run that is to be made.
type Job struct {
	Scenario     string     `json:"scenario"` // its name, or the file that has it
	Source       []byte     `json:"source"`   // the YAML
	World        world.Kind `json:"world"`
	Seed         uint64     `json:"seed"`
	WithoutLocks bool       `json:"withoutLocks,omitempty"` // the experiment that shows what the checks can see
}

// Command repeats the run.
func (j Job) Command() string {
	c := fmt.Sprintf("stasis lab run %s --world %s --seed %d", j.Scenario, j.World, j.Seed)
	if j.WithoutLocks {
		c += " --mode none"
	}
	return c
}

// name is a folder's name for the run.
func (j Job) name() string {
	base := strings.TrimSuffix(filepath.Base(j.Scenario), filepath.Ext(j.Scenario))
	if j.WithoutLocks {
		base += "-none"
	}
	return fmt.Sprintf("%s-%s-%d", base, j.World, j.Seed)
}

// Result is a run that was made.
type Result struct {
	Job     Job             `json:"-"`
	Verdict verdict.Verdict `json:"verdict"`
	Repeat  string          `json:"repeat"`           // the command that makes the same run
	Folder  string          `json:"folder,omitempty"` // has verdict, events and output, if the run was bad or all are kept
}

// bad reports whether a person has to look at a run. Without locks a violation is what is looked for.
func (r Result) bad() bool {
	switch r.Verdict.Outcome {
	case verdict.Violated:
		return !r.Job.WithoutLocks
	case verdict.Broken:
		return true
	default:
		return false
	}
}

// Options say how runs are made.
type Options struct {
	// Command starts the child: the program and its arguments. Empty: this program, without arguments.
	Command  []string
	Program  string        // of the servers of world processes: the stasis binary
	Parallel int           // runs at once; 0: as many as there are processors
	Timeout  time.Duration // in real time, for each run; 0: two minutes
	Out      string        // folder for what bad runs leave; "": a temporary one, which stays if there is a bad run
	Keep     bool          // keep the folders of all runs
	Done     func(Result)  // called after each run, from one goroutine at a time; nil: nothing
}

// DefaultTimeout is how long a run may take in real time.
const DefaultTimeout = 2 * time.Minute

// Run makes the runs and returns the results in the order of the jobs. If ctx ends, the children are ended, what
// there is is returned, and the error is that of ctx.
func Run(ctx context.Context, jobs []Job, o Options) (results []Result, err error) {
	if len(o.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program to start runs with: %w", err)
		}
		o.Command = []string{self}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	out, err := outFolder(o.Out)
	if err != nil {
		return nil, err
	}
	p := pool{options: o, out: out}
	results, err = p.run(ctx, jobs)
	if o.Out == "" && p.kept == 0 {
		err = errors.Join(err, os.RemoveAll(out))
	}
	return results, err
}

func outFolder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "stasis-lab-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}
