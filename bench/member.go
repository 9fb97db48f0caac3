package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const members = 3

// system is one of those that are compared.
type system struct {
	name    string
	command func(c *cluster, i int) *exec.Cmd
	leader  func(ctx context.Context, c *cluster) (place int, err error)
	connect func(leader string, clients int) (target, error)
}

// cluster is three members of a system, as processes.
type cluster struct {
	dir   string
	ports []int // two of each member
	runs  []*exec.Cmd
}

func (c *cluster) address(i, which int) string {
	return fmt.Sprintf("127.0.0.1:%d", c.ports[2*i+which])
}

func start(ctx context.Context, s system, dir string) (*cluster, error) {
	c := &cluster{dir: dir}
	var listeners []net.Listener
	for range 2 * members { // all at once, so that no port comes twice
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a port: %w", err)
		}
		listeners = append(listeners, l)
		c.ports = append(c.ports, l.Addr().(*net.TCPAddr).Port)
	}
	for _, l := range listeners {
		_ = l.Close() // was opened for its number only
	}
	for i := range members {
		run := s.command(c, i)
		out, err := os.Create(filepath.Join(dir, fmt.Sprintf("log%d", i)))
		if err != nil {
			c.kill()
			return nil, fmt.Errorf("open a log: %w", err)
		}
		run.Stdout, run.Stderr = out, out
		err = run.Start()
		_ = out.Close() // the process has its own
		if err != nil {
			c.kill()
			return nil, fmt.Errorf("start member %d: %w", i, err)
		}
		c.runs = append(c.runs, run)
	}
	if ctx.Err() != nil {
		c.kill()
	}
	return c, ctx.Err()
}

func (c *cluster) kill() {
	for _, run := range c.runs {
		_ = run.Process.Kill() // it may be gone
	}
	for _, run := range c.runs {
		_ = run.Wait() // killed: an error is what is expected
	}
}

// until tries again until it succeeds or half a minute has passed.
func until(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// cpu is the processor time that each member has used so far; 0 where the system
// does not tell.
func (c *cluster) cpu() (used [members]time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever there is a /proc
	for i, run := range c.runs {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", run.Process.Pid))
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if len(fields) < 13 {
			continue
		}
		for _, f := range fields[11:13] { // in user mode, in the kernel
			n, _ := strconv.ParseInt(f, 10, 64) // as the kernel writes it
			used[i] += time.Duration(n) * tick
		}
	}
	return used
}
