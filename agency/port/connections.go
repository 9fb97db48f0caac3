package port

import (
	"net"
	"slices"
	"sync"
)

// mostUnknown bounds the connections that have not said who they are, and mostCallers the streams
// of Raft from other agents.
const (
	mostUnknown = 512
	mostCallers = 512
)

// connections are the open connections that the port owns: new ones, and Raft's in both directions.
type connections struct {
	mu      sync.Mutex
	all     []*connection // in the order in which they were opened
	new     []*connection // those from others that have not said who they are
	callers []*connection // Raft's from other agents
	closed  bool
}

// connection leaves the connections when it is closed.
type connection struct {
	net.Conn
	owner  *connections
	served func() // of a stream from another agent: is called when it is closed
}

// Close closes the connection. The server of the connection also calls it, at the end.
func (c *connection) Close() error {
	c.owner.remove(c)
	if c.served != nil {
		defer c.served()
	}
	return c.Conn.Close()
}

// add takes a new connection. After close it closes the connection and returns nil.
func (s *connections) add(raw net.Conn) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = raw.Close() // nothing will use it
		return nil
	}
	c := &connection{Conn: raw, owner: s}
	s.all = append(s.all, c)
	return c
}

// remove forgets a connection.
func (s *connections) remove(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.new, s.callers = without(s.all, c), without(s.new, c), without(s.callers, c)
}

// unknown counts a connection among those that have not said who they are.
func (s *connections) unknown(c *connection) { s.move(c, &s.new, mostUnknown) }

// welcomed counts a connection among the streams of Raft from other agents.
func (s *connections) welcomed(c *connection) { s.move(c, &s.callers, mostCallers) }

// move puts a connection into one of the two groups. If the group is full, the connection that has
// been in it longest is closed. An agent or a client says at once who it is, and calls again when
// it is disconnected, so it is a stranger that is closed, or no harm is done.
func (s *connections) move(c *connection, to *[]*connection, most int) {
	s.mu.Lock()
	s.new, s.callers = without(s.new, c), without(s.callers, c)
	var oldest *connection
	if slices.Contains(s.all, c) { // else it has been closed meanwhile
		if len(*to) >= most {
			oldest, *to = (*to)[0], (*to)[1:]
		}
		*to = append(*to, c)
	}
	s.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close() // its reader sees that and calls Close
	}
}

// close returns all connections in the order in which they were opened, and takes no more.
func (s *connections) close() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all, s.closed = nil, true
	return all
}

func without(list []*connection, c *connection) []*connection {
	if i := slices.Index(list, c); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
