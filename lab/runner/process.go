package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"stasis/lab/verdict"
)

// Files in the folder of a run.
const (
	fileRequest    = "request.json"
	fileVerdict    = "verdict.json"
	fileEvents     = "events.jsonl"
	fileLog        = "log.txt"
	fileOutput     = "output.txt"     // of the child, on standard output and standard error
	fileGoroutines = "goroutines.txt" // of a run that the watchdog has ended
	dirData        = "data"           // of the cluster; removed
)

// envFolder names the folder of a run, for the child.
const envFolder = "STASIS_LAB_RUN"

// quitGrace is how long a child may take to print its goroutines.
const quitGrace = 10 * time.Second

// request is what a child is asked for.
type request struct {
	Job
	Program string `json:"program,omitempty"`
}

// makeRun makes one run in a child process; the result is nil if ctx has ended.
func makeRun(ctx context.Context, j Job, o Options, out string) (*Result, error) {
	folder := filepath.Join(out, j.name())
	if err := prepare(folder, request{j, o.Program}); err != nil {
		return nil, err
	}
	begun := time.Now()
	c := child{folder: folder, command: o.Command, timeout: o.Timeout}
	fault, err := c.run(ctx)
	err = errors.Join(err, removeData(filepath.Join(folder, dirData)))
	if ctx.Err() != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return nil, err
	}
	r := &Result{Job: j, Repeat: j.Command(), Folder: folder, Verdict: c.verdict(fault, j)}
	r.Verdict.Real = time.Since(begun)
	if !r.bad() && !o.Keep {
		r.Folder = ""
		return r, os.RemoveAll(folder)
	}
	return r, writeJSON(filepath.Join(folder, fileVerdict), r.Verdict)
}

func prepare(folder string, r request) error {
	if err := os.RemoveAll(folder); err != nil { // of an earlier run
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, fileRequest), r)
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// removeData removes the data of a cluster. Its servers may be ending still: they end with their parent.
func removeData(dir string) (err error) {
	for range 50 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		<-time.After(100 * time.Millisecond)
	}
	return err
}

// child is the process of one run.
type child struct {
	folder  string
	command []string
	timeout time.Duration
}

// fault is why a child did not end by itself with status 0.
type fault struct {
	expired bool  // the watchdog has ended it
	err     error // of its end
}

// run starts the child and waits for its end. The watchdog makes it print its goroutines. What it has started ends with it.
func (c child) run(ctx context.Context) (f fault, err error) {
	out, err := os.Create(filepath.Join(c.folder, fileOutput))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), environment(c.folder)...)
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return f, fmt.Errorf("start a run: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the child, which is killed below at the latest
	watchdog := time.NewTimer(c.timeout)
	defer watchdog.Stop()
	select {
	case f.err = <-ended:
		killGroup(cmd)
		return f, nil
	case <-watchdog.C:
		f.expired = true
		quit(cmd)
	case <-ctx.Done():
		killGroup(cmd)
	}
	grace := time.NewTimer(quitGrace)
	defer grace.Stop()
	select {
	case f.err = <-ended:
	case <-grace.C:
		killGroup(cmd)
		f.err = <-ended
	}
	killGroup(cmd)
	return f, nil
}

// verdict is what the child says, or what its end says.
func (c child) verdict(f fault, j Job) verdict.Verdict {
	v := verdict.Verdict{Scenario: j.Scenario, World: string(j.World), Seed: j.Seed, Outcome: verdict.Broken}
	if f.expired {
		v.Reason = c.expired()
		return v
	}
	text, err := os.ReadFile(filepath.Join(c.folder, fileVerdict))
	if err == nil {
		var said verdict.Verdict
		if err = json.Unmarshal(text, &said); err == nil {
			v = said
		}
	}
	output, rerr := os.ReadFile(filepath.Join(c.folder, fileOutput))
	if err == nil && rerr == nil {
		return withRaces(v, output)
	}
	return crashed(v, output, errors.Join(f.err, err))
}

// expired keeps what a run that hung printed about its goroutines, and says where it hung.
func (c child) expired() string {
	output, err := os.ReadFile(filepath.Join(c.folder, fileOutput))
	path := filepath.Join(c.folder, fileGoroutines)
	if err == nil {
		err = os.WriteFile(path, goroutinesOf(output), 0o600)
	}
	if err != nil {
		return fmt.Sprintf("it did not end within %v of real time, and its goroutines could not be kept: %v", c.timeout, err)
	}
	return fmt.Sprintf("it did not end within %v of real time; %s; its goroutines are in %s", c.timeout, placeOf(output), path)
}
