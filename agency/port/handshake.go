package port

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// Behind the preamble the caller of a stream sends a line: for whom the stream is, who calls, and
// which agency the caller belongs to. The callee answers "ok", or a line that says why it refuses
// and which agency it belongs to itself. Only then comes anything of Raft's. So neither side takes
// anything from a stranger, and both know at once.

// Config is what Raft's streams need of the agent.
type Config struct {
	Self      string // the agent's id
	Advertise string // its "host:port"
	// Origin returns which agency the agent belongs to.
	Origin func() keys.Origin
	// Leads reports whether Raft takes the agent for the leader.
	Leads func() bool
	// Greet returns why a caller is refused, nil if it is welcome.
	Greet func(Hello) error
	// Meet receives which agency an agent belongs to that has refused this one.
	Meet func(id string, theirs keys.Origin) error
	// Unreachable receives that no stream could be opened to an agent at an address.
	Unreachable func(id, address string)
	// Complain receives what others send that they must not send.
	Complain func(what string, err error)
	// DiskRate is how many bytes a second another agent's disk is expected to write.
	DiskRate int
}

// Hello is the caller's line.
type Hello struct {
	To     string      `json:"to"`
	From   string      `json:"from"`
	Origin keys.Origin `json:"origin"`
	Leads  bool        `json:"leads"` // From leads, or takes itself for the leader
}

// refusal is the callee's line if it refuses.
type refusal struct {
	Refused string      `json:"refused"`
	Origin  keys.Origin `json:"origin"`
}

const (
	welcome = "ok"
	// helloTime bounds the arrival of a line, and the writing of its answer.
	helloTime   = 10 * time.Second
	longestLine = 4096
)

var (
	errNotForMe = errors.New("stream of Raft for another agent")
	errHello    = errors.New("no first line of a Raft stream")
	// ErrRefused is wrapped by the error of a stream that the other agent has refused.
	ErrRefused = errors.New("the other agent refuses this one")
)

// readLine reads up to the end of a line and no further.
func readLine(from io.Reader) ([]byte, error) {
	var line []byte
	for one := make([]byte, 1); ; line = append(line, one[0]) {
		if _, err := io.ReadFull(from, one); err != nil {
			return nil, err
		}
		if one[0] == '\n' {
			return line, nil
		}
		if len(line) >= longestLine {
			return nil, fmt.Errorf("%w: it is longer than %d bytes", errHello, longestLine)
		}
	}
}

// readHello reads the line of a caller. It must name the agent self and the caller: if a line could
// be for any agent, an agent that has taken over an address could answer for another.
func readHello(from io.Reader, self string) (h Hello, err error) {
	line, err := readLine(from)
	if err != nil {
		return Hello{}, err
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return Hello{}, fmt.Errorf("%w: %w", errHello, err)
	}
	switch {
	case h.To == "" && !failpoint.Off("stream-names-its-agent"):
		return Hello{}, fmt.Errorf("%w: it does not say which agent it is for", errHello)
	case h.To != "" && h.To != self:
		return Hello{}, fmt.Errorf("%w: %q", errNotForMe, h.To)
	case h.From == "" || h.From == self:
		return Hello{}, fmt.Errorf("%w: it comes from %q", errHello, h.From)
	}
	return h, nil
}

// callee is the callee's end of a stream. It reads the caller's line, and answers it, before
// anything else.
type callee struct {
	*connection
	config *Config
	passed bool // only touched by Read, which has one caller at a time
}

// Read ends a stream that is refused. Raft gets io.EOF only: it would log any other error each time.
func (c *callee) Read(p []byte) (int, error) {
	if !c.passed {
		if err := c.answer(); err != nil {
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
				c.config.Complain("refusing a stream of Raft", fmt.Errorf("from %s: %w", c.RemoteAddr(), err))
			}
			return 0, io.EOF
		}
		c.passed = true
		c.owner.welcomed(c.connection)
	}
	return c.connection.Read(p)
}

// answer returns why the caller is refused, nil if it is welcome. A caller whose line does not end
// in time is refused.
func (c *callee) answer() error {
	err := c.SetReadDeadline(time.Now().Add(helloTime))
	if err != nil {
		return err
	}
	h, err := readHello(c.connection, c.config.Self)
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return err
	}
	refused := c.config.Greet(h)
	reply := []byte(welcome)
	if refused != nil {
		if reply, err = json.Marshal(refusal{Refused: refused.Error(), Origin: c.config.Origin()}); err != nil {
			return errors.Join(refused, err)
		}
	}
	err = c.SetWriteDeadline(time.Now().Add(helloTime))
	if err == nil {
		_, err = c.connection.Write(append(reply, '\n'))
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	return errors.Join(refused, err)
}

// caller is the caller's end of a stream. It reads the callee's line before anything else. A callee
// that refuses does not look at what Raft has written by then.
type caller struct {
	net.Conn
	id     string // of the callee
	meet   func(id string, theirs keys.Origin) error
	passed bool // only touched by Read, which has one caller at a time
}

func (c *caller) Read(p []byte) (int, error) {
	if !c.passed {
		line, err := readLine(c.Conn)
		if err != nil {
			return 0, err
		}
		if string(line) != welcome {
			return 0, c.refused(line)
		}
		c.passed = true
	}
	return c.Conn.Read(p)
}

func (c *caller) refused(line []byte) error {
	var r refusal
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("answer to the first line of a Raft stream: %w", err)
	}
	err := fmt.Errorf("%w: %s: %s", ErrRefused, c.id, r.Refused)
	if r.Origin.Exists() {
		_ = c.meet(c.id, r.Origin) // its error says from this side what r.Refused says
	}
	return err
}
