package network

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections bounds the number of open connections. When there are too many it closes the one that
// has been open for longest without ever having sent a request, or else the one that has been
// without a request for longest, or else the new one. A client that holds many open and does
// nothing with them therefore keeps no other client out.
type connections struct {
	most int

	mu      sync.Mutex
	all     map[net.Conn]*list.Element // its place in fresh or idle; nil while it has a request
	fresh   list.List                  // of net.Conn, the oldest first: no request has come yet
	idle    list.List
	evicted uint64
}

func newConnections(most int) *connections {
	return &connections{most: most, all: map[net.Conn]*list.Element{}}
}

// changed is the hook of http.Server.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	c.leave(conn)
	var victim net.Conn
	switch state {
	case http.StateNew:
		if victim = c.victim(conn); victim != conn {
			c.all[conn] = c.fresh.PushBack(conn)
		}
	case http.StateIdle:
		c.all[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		c.all[conn] = nil
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	}
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Close() // it is given up
	}
}

// leave takes a connection out of the list it is in.
func (c *connections) leave(conn net.Conn) {
	if at := c.all[conn]; at != nil {
		c.fresh.Remove(at) // does nothing if it is in the other
		c.idle.Remove(at)
		c.all[conn] = nil
	}
}

// victim is the connection that has to make room for a new one, nil if there is room. It
// no longer counts, though its end may take a moment.
func (c *connections) victim(newest net.Conn) net.Conn {
	if len(c.all) < c.most {
		return nil
	}
	c.evicted++
	for _, waiting := range []*list.List{&c.fresh, &c.idle} {
		if oldest := waiting.Front(); oldest != nil {
			conn := oldest.Value.(net.Conn)
			c.leave(conn)
			delete(c.all, conn)
			return conn
		}
	}
	return newest
}

// count gives how many are open, and how many were closed to make room.
func (c *connections) count() (open int, evicted uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.all), c.evicted
}
