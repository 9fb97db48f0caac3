package port

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
)

// Streams are the port's Raft streams, as Raft's transport uses them (raft.StreamLayer).
type Streams struct {
	*lane
	port   *Port
	config Config
}

// Streams returns the Raft streams of the port.
func (p *Port) Streams(c Config) *Streams { return &Streams{lane: p.raft, port: p, config: c} }

// Addr is the address that other agents are told.
func (s *Streams) Addr() net.Addr { return namedAddr(s.config.Advertise) }

// Dial opens a stream to the agent "id@host:port". The id matters: if an agent that has taken over
// the address of another answered, its acknowledgements would count twice.
func (s *Streams) Dial(target raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, address := addressbook.SplitTarget(string(target))
	if id == "" {
		return nil, fmt.Errorf("open Raft stream to %s: %w", target, errNotForMe)
	}
	line, err := json.Marshal(Hello{To: id, From: s.config.Self, Origin: s.config.Origin(), Leads: s.config.Leads()})
	if err != nil {
		return nil, fmt.Errorf("open Raft stream to %s: %w", target, err)
	}
	conn, err := s.port.dial(address, timeout)
	if err == nil {
		if _, err = conn.Write(append(line, '\n')); err != nil {
			err = errors.Join(fmt.Errorf("open Raft stream to %s: %w", target, err), conn.Close())
		}
	}
	if err != nil {
		s.config.Unreachable(id, address)
		return nil, err
	}
	return &caller{Conn: &steadyConn{Conn: conn, diskRate: s.config.DiskRate}, id: id, meet: s.config.Meet}, nil
}

// Accept waits for a stream. A stream that is for another agent, or of a stranger, ends when it is
// read.
func (s *Streams) Accept() (net.Conn, error) {
	conn, err := s.lane.Accept()
	if err != nil {
		return nil, err
	}
	c, ok := conn.(*connection)
	if !ok { // the port gives nothing else to Raft
		return nil, errors.Join(fmt.Errorf("unexpected connection %T", conn), conn.Close())
	}
	return &callee{connection: c, config: &s.config}, nil
}

// namedAddr is an address that need not be resolvable here.
type namedAddr string

func (namedAddr) Network() string  { return "tcp" }
func (a namedAddr) String() string { return string(a) }
