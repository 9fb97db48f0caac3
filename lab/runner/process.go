package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"stasis/lab/verdict"
	"stasis/lab/world"
)

// quitGrace is how long a child may take to print its goroutines.
const quitGrace = 10 * time.Second

// makeRun makes one run in a child process; the result is nil if ctx has ended.
func makeRun(ctx context.Context, j Job, o Options, folder string) (*Result, error) {
	if err := prepare(folder, request{j, o.Program}); err != nil {
		return nil, err
	}
	begun := time.Now()
	c := child{folder: folder, world: j.World, command: o.Command, timeout: o.Timeout, log: o.Log}
	end, err := c.run(ctx)
	err = errors.Join(err, removeData(folder))
	if ctx.Err() != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		return nil, err
	}
	r := &Result{Job: j, LockMode: j.LockMode, Repeat: j.Command(), Verdict: c.verdict(end, j)}
	r.Verdict.Real, r.CPU = time.Since(begun), end.cpu
	keep := o.Keep || r.bad()
	if keep {
		r.Verdict.Notes = append(r.Verdict.Notes, export(folder)...)
	}
	r.Folder, err = keepOut(folder, keep, r.Verdict)
	return r, err
}

// child is the process of one run.
type child struct {
	folder  string
	world   world.Kind
	command []string
	timeout time.Duration
	log     func(line string) // nil: nothing
}

// ending is why a child did not end by itself with status 0.
type ending struct {
	expired bool          // the watchdog has ended it
	err     error         // of its end
	cpu     time.Duration // that it has used, and what it has started
}

// environment is what a child is started with beside the environment of this process. In a bubble one processor
// each: several runs at once use a machine better than one run that is spread over it, and order is less a matter of
// chance. A heap of a few megabytes that lives for seconds needs few collections. Servers of world processes get the
// environment of the child, so they would not be as users have them.
func environment(folder string, kind world.Kind) []string {
	all := []string{envFolder + "=" + folder, "GOTRACEBACK=all"}
	if kind != world.Bubble {
		return all
	}
	// math/rand takes the seed of the run: Raft's timeouts are drawn from it. A goroutine that is preempted by real time would make the
	// order of goroutines a matter of chance.
	debug := "randseednop=0,asyncpreemptoff=1"
	if before := os.Getenv("GODEBUG"); before != "" {
		debug = before + "," + debug
	}
	all = append(all, "GODEBUG="+debug, "GOMAXPROCS=1")
	if os.Getenv("GOGC") == "" {
		all = append(all, "GOGC=400")
	}
	return all
}

// lines calls tell for each line that is written to it.
type lines struct {
	tell func(string)
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for text := p; ; {
		line, after, whole := bytes.Cut(text, []byte{'\n'})
		l.rest = append(l.rest, line...)
		if !whole {
			return len(p), nil
		}
		if l.tell != nil {
			l.tell(string(l.rest))
		}
		l.rest, text = l.rest[:0], after
	}
}

// run starts the child and waits for its end. The watchdog makes it print its goroutines. What it has started ends with it.
func (c child) run(ctx context.Context) (f ending, err error) {
	out, err := os.Create(filepath.Join(c.folder, fileOutput))
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &lines{tell: c.log}, out, quitGrace
	cmd.Env = append(os.Environ(), environment(c.folder, c.world)...)
	ownGroup(cmd)
	if _, err := cmd.StdinPipe(); err != nil { // closed when this process ends: the child ends then
		return f, err
	}
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
		f.cpu = cpu(cmd)
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
	f.cpu = cpu(cmd)
	return f, nil
}

// cpu is the time of processors that a process has used which has ended.
func cpu(cmd *exec.Cmd) time.Duration {
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// verdict is what the child says, or what its end says.
func (c child) verdict(f ending, j Job) verdict.Verdict {
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
	switch {
	case err != nil:
		if f.err != nil && (errors.Is(err, fs.ErrNotExist) || len(text) == 0) {
			err = nil // that the verdict is missing is said already
		}
		return crashed(v, output, errors.Join(f.err, err))
	case rerr != nil: // it may tell of data races
		v.Break("what the run printed cannot be read: " + rerr.Error())
		return v
	}
	return withRaces(v, output)
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
	return fmt.Sprintf("it did not end within %v of real time%s; %s; its goroutines are in %s", c.timeout, c.lastWords(), placeOf(output), path)
}

// lastWords is the last that a run has told, with the time on its own clock if it has that: what it waited for.
func (c child) lastWords() string {
	text, err := os.ReadFile(filepath.Join(c.folder, fileLog))
	if err != nil {
		return "" // it had not begun
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := strings.TrimSpace(all[len(all)-1]); last != "" {
		return fmt.Sprintf("; the last that it told: %q", last)
	}
	return ""
}
