package minicluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"stasis/internal/datadir"
)

const (
	logsDir  = "logs"
	logLines = 8        // of the log quoted when a child dies
	logTail  = 32 << 10 // bytes of the log that are looked at for them
)

// process is a server that is a child process.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer     // open as long as the child shall live
	told   atomic.Bool   // it was told to end
	stayed atomic.Bool   // it was told to stop where it is
	ended  chan struct{} // closed when the child has been waited for
	fault  error         // why it ended without being told; set before ended is closed
	killed bool          // from outside, with SIGKILL: no failure of its own; set before ended is closed
	logged string        // path of its log
}

// launchProcess starts the program as this node. It returns when the process
// exists; Ready finds out whether it serves.
func (s *setup) launchProcess(_ context.Context, n *node) (running, error) {
	logged := filepath.Join(s.options.Dir, logsDir, n.name+".log")
	cmd := exec.Command(s.options.Program.Path, s.arguments(n, logged)...)
	// What does not go through the logger, a panic above all, lands in the log too.
	out, err := os.OpenFile(logged, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open its log: %w", err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	setProcessGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	err = errors.Join(err, out.Close()) // the child has its own
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, ended: make(chan struct{}), logged: logged}
	go p.wait(n) // ends with the child, for which stop and kill wait
	return p, nil
}

// arguments is the command line of a node.
func (s *setup) arguments(n *node, logged string) []string {
	o := s.options
	args := []string{string(n.role), "--dir", s.dataDir(n.name), "--name", n.name, "--listen", n.at.address, "--exit-with-parent", "--log-file", logged}
	if o.Lab {
		args = append(args, "--lab", "--lab-hosts", s.hosts())
	}
	args = append(args, o.Program.Flags...)
	for _, origin := range o.Pages.TrustedOrigins {
		args = append(args, "--http.trusted-origin", origin)
	}
	for _, name := range o.Pages.Hosts {
		args = append(args, "--http.hosts", name)
	}
	if n.role == datadir.Agent {
		args = append(args, "--id", n.id)
		for _, a := range s.servers.agents {
			args = append(args, "--peer", a.id+"="+a.at.address)
		}
		for _, limit := range []struct {
			flag string
			time time.Duration
		}{{"--grace", o.Timing.Grace}, {"--leader-grace", o.Timing.LeaderGrace}, {"--disk-timeout", o.Timing.DiskTimeout}} {
			if limit.time != 0 {
				args = append(args, limit.flag, limit.time.String())
			}
		}
		return append(args, o.Program.AgentFlags...)
	}
	args = append(args, "--agency", strings.Join(s.servers.agencyURLs(), ","))
	if n.role == datadir.DBServer {
		return append(args, o.Program.DBServerFlags...)
	}
	return append(args, "--backup.signing-key", s.keyFile())
}

// wait collects the child when it ends.
func (p *process) wait(n *node) {
	err := p.cmd.Wait()
	if p.told.Load() {
		close(p.ended)
		return
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	if p.killed = wasKilled(p.cmd.ProcessState); p.killed {
		p.fault = fmt.Errorf("was killed from outside: %w", err)
	} else {
		p.fault = fmt.Errorf("ended by itself: %w%s", err, reason(p.logged))
	}
	close(p.ended) // before the report, so that its receiver finds it ended
	n.ended(fmt.Errorf("%s %w", n.name, p.fault))
}

// wasKilled reports whether a process ended by SIGKILL. Panics end with other signals or none.
func wasKilled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// reason is what a child said of its end: its last line, if that line is an error message, and
// otherwise the end of its log.
func reason(path string) string {
	tail := lastLines(path)
	last := tail[strings.LastIndexByte(tail, '\n')+1:]
	if message, ok := strings.CutPrefix(last, "stasis: "); ok {
		return ": " + message
	}
	return tail
}

// lastLines quotes the end of a log.
func lastLines(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return " (no log: " + err.Error() + ")"
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Seek(max(0, end-logTail), io.SeekStart)
		if err != nil {
			return " (no log: " + err.Error() + ")"
		}
	}
	tail, err := io.ReadAll(io.LimitReader(f, logTail))
	if err != nil {
		return " (no log: " + err.Error() + ")"
	}
	lines := bytes.Split(bytes.TrimSpace(tail), []byte("\n"))
	lines = lines[max(0, len(lines)-logLines):]
	return "; last lines of " + path + ":\n" + string(bytes.Join(lines, []byte("\n")))
}

func (p *process) pid() int              { return p.cmd.Process.Pid }
func (p *process) done() <-chan struct{} { return p.ended }
func (p *process) failure() error        { return p.fault }

// asked is true for status 0: servers end with it after a SIGTERM, and for no other reason.
func (p *process) asked() bool { return p.cmd.ProcessState.Success() }

// stop sends SIGTERM and, when ctx ends, SIGKILL.
func (p *process) stop(ctx context.Context) error {
	select {
	case <-p.ended: // without being told
		return p.failing()
	default:
	}
	p.told.Store(true)
	_ = p.resume() // a paused process does not receive SIGTERM; if it has ended, the next line finds out
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.kill()
		return fmt.Errorf("stop: %w", err)
	}
	select {
	case <-p.ended:
		return p.failing() // it may have died just before
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("did not stop in time, killed: %w%s", context.Cause(ctx), lastLines(p.logged))
	}
}

// failing is what went wrong with the child, when it has ended. That it was killed is no failure:
// it was done on purpose.
func (p *process) failing() error {
	if p.killed {
		return nil
	}
	return p.fault
}

// pause is SIGSTOP, and returns when it has taken effect; resume is SIGCONT.
func (p *process) pause() error {
	if err := p.signal(stopSignal); err != nil {
		return err
	}
	p.stayed.Store(true)
	return awaitStopped(p.pid())
}

func (p *process) resume() error {
	p.stayed.Store(false)
	return p.signal(continueSignal)
}

func (p *process) paused() bool { return hasStopped(p.pid(), p.stayed.Load()) }

func (p *process) signal(s os.Signal) error {
	if s == nil {
		return errors.New("this system cannot pause processes")
	}
	return p.cmd.Process.Signal(s)
}

func (p *process) kill() {
	p.told.Store(true)
	_ = p.cmd.Process.Kill() // its only error is that the process has ended already
	<-p.ended
}
