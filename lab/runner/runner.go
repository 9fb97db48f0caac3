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
)

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
	p := pool{options: o, out: out, folders: folders(jobs)}
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
