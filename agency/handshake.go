package agency

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// A Raft stream begins with the preamble and a line of its caller: whom it is for, who
// calls, and which agency that one belongs to. It is answered with "ok", or with a line
// that says which agency the other one belongs to, before anything of Raft's. So neither
// side takes anything from a stranger, and both know at once.

// hello is the caller's line.
type hello struct {
	To     string      `json:"to"`
	From   string      `json:"from"`
	Origin keys.Origin `json:"origin"`
	Leads  bool        `json:"leads"` // From leads, or thinks so
}

// refusal is the other one's line.
type refusal struct {
	Refused string      `json:"refused"`
	Origin  keys.Origin `json:"origin"`
}

const (
	welcome = "ok"
	// helloTime bounds the coming of a line, and the writing of its answer.
	helloTime   = 10 * time.Second
	longestLine = 4096
)

var (
	errNotForMe = errors.New("stream of Raft for another agent")
	errHello    = errors.New("no first line of a Raft stream")
	errRefused  = errors.New("the other agent refuses this one")
)

// handshake is an agent's part in it.
type handshake struct {
	self   string
	origin func() keys.Origin
	leads  func() bool
	greet  func(hello) error                         // why a caller is refused
	meet   func(id string, theirs keys.Origin) error // is told who refused this agent
}

// raftStream is the mux as Raft's transport wants it.
type raftStream struct {
	*lane
	mux       *mux
	handshake handshake
	book      *addressbook.Book
	advertise net.Addr
	complain  func(what string, err error)
}

// Addr is what peers are told.
func (s *raftStream) Addr() net.Addr { return s.advertise }

// Dial opens a stream to the agent "id@host:port". An agent that has taken over the
// address of another must not answer, or its acknowledgements would count twice.
func (s *raftStream) Dial(target raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, address := addressbook.SplitTarget(string(target))
	if id == "" {
		return nil, fmt.Errorf("open Raft stream to %s: %w", target, errNotForMe)
	}
	line, err := json.Marshal(hello{To: id, From: s.handshake.self, Origin: s.handshake.origin(), Leads: s.handshake.leads()})
	if err != nil {
		return nil, fmt.Errorf("open Raft stream to %s: %w", target, err)
	}
	conn, err := s.mux.dialRaft(address, timeout)
	if err == nil {
		if _, err = conn.Write(append(line, '\n')); err != nil {
			err = errors.Join(fmt.Errorf("open Raft stream to %s: %w", target, err), conn.Close())
		}
	}
	if err != nil {
		s.book.Failed(id, address)
		return nil, err
	}
	return &callingConn{Conn: &steadyConn{Conn: conn}, id: id, meet: s.handshake.meet}, nil
}

// Accept gives a stream that ends at once if it is for another agent, or of a stranger.
func (s *raftStream) Accept() (net.Conn, error) {
	conn, err := s.lane.Accept()
	if err != nil {
		return nil, err
	}
	return &calledConn{Conn: conn, handshake: s.handshake, complain: s.complain, welcomed: func() { s.mux.welcomed(conn) }}, nil
}

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

// readHello reads the line of who calls the agent self. It names both: a line that is for
// any agent would let one that has taken over an address answer for another.
func readHello(from io.Reader, self string) (h hello, err error) {
	line, err := readLine(from)
	if err != nil {
		return hello{}, err
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return hello{}, fmt.Errorf("%w: %w", errHello, err)
	}
	switch {
	case h.To == "" && !failpoint.Off("stream-names-its-agent"):
		return hello{}, fmt.Errorf("%w: it does not say which agent it is for", errHello)
	case h.To != "" && h.To != self:
		return hello{}, fmt.Errorf("%w: %q", errNotForMe, h.To)
	case h.From == "" || h.From == self:
		return hello{}, fmt.Errorf("%w: it comes from %q", errHello, h.From)
	}
	return h, nil
}

// calledConn reads the caller's line, and answers it, before anything else.
type calledConn struct {
	net.Conn
	handshake handshake
	complain  func(what string, err error)
	welcomed  func()
	passed    bool // only touched by Read, which has one caller at a time
}

// Read ends the stream of who is not welcome. Raft is told of an end only: it would log each.
func (c *calledConn) Read(p []byte) (int, error) {
	if !c.passed {
		if err := c.answer(); err != nil {
			if !silent(err) {
				c.complain("refusing a stream of Raft", fmt.Errorf("from %s: %w", c.RemoteAddr(), err))
			}
			return 0, io.EOF
		}
		c.passed = true
		c.welcomed()
	}
	return c.Conn.Read(p)
}

// silent is what the log need not have: an end, or a stranger, of which meet tells.
func silent(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, errStranger) || errors.Is(err, errOnProbation)
}

// answer says whether the caller is welcome. Who does not come to the end of a line in time is not.
func (c *calledConn) answer() error {
	err := c.SetReadDeadline(time.Now().Add(helloTime))
	if err != nil {
		return err
	}
	h, err := readHello(c.Conn, c.handshake.self)
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return err
	}
	refused := c.handshake.greet(h)
	reply := []byte(welcome)
	if refused != nil {
		if reply, err = json.Marshal(refusal{Refused: refused.Error(), Origin: c.handshake.origin()}); err != nil {
			return errors.Join(refused, err)
		}
	}
	err = c.SetWriteDeadline(time.Now().Add(helloTime))
	if err == nil {
		_, err = c.Conn.Write(append(reply, '\n'))
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	return errors.Join(refused, err)
}

// callingConn reads the other one's line before anything else. What Raft has written by
// then is not looked at by one who refuses.
type callingConn struct {
	net.Conn
	id     string
	meet   func(id string, theirs keys.Origin) error
	passed bool // only touched by Read, which has one caller at a time
}

func (c *callingConn) Read(p []byte) (int, error) {
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

func (c *callingConn) refused(line []byte) error {
	var r refusal
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("answer to the first line of a Raft stream: %w", err)
	}
	err := fmt.Errorf("%w: %s: %s", errRefused, c.id, r.Refused)
	if r.Origin.Exists() {
		_ = c.meet(c.id, r.Origin) // it says what r.Refused says, from the other side
	}
	return err
}
