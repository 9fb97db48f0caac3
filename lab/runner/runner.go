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
	"io/fs"
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
	out, made, err := outFolder(o.Out)
	if err != nil {
		return nil, err
	}
	p := pool{options: o, out: out, folders: folders(jobs)}
	results, err = p.run(ctx, jobs)
	if made && p.kept == 0 {
		err = errors.Join(err, removeEmpty(out))
	}
	return results, err
}

// outFolder is where runs leave something. made says that it was not there before.
func outFolder(dir string) (path string, made bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "stasis-lab-")
		return path, true, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", false, err
	}
	_, err = os.Stat(dir)
	made = errors.Is(err, fs.ErrNotExist)
	return dir, made, os.MkdirAll(dir, 0o700)
}

// removeEmpty removes a folder that runs have left nothing in. What others have put there stays.
func removeEmpty(dir string) error {
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		return err
	}
	return os.Remove(dir)
}
