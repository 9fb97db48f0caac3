package fault

import (
	"net"
	"strconv"
	"time"
)

// host is one machine; links and connections point at it.
type host struct {
	name     string
	port     int  // the last one chosen
	exists   bool // Host was called for it
	isolated bool
	frozen   bool
}

func (h *host) addr(port int) addr {
	return addr(net.JoinHostPort(h.name, strconv.Itoa(port)))
}

// link is one direction between two hosts.
type link struct {
	from, to *host
	cut      bool
	delay    time.Duration
	rate     int64     // bytes per second, 0 = unlimited
	busy     time.Time // until then it is sending what was written before
	met      int       // what a rule kept from arriving
}

func (l *link) up() bool {
	return !l.cut && (l.from == l.to || !l.from.isolated && !l.to.isolated)
}

// arrival reserves the link for n bytes and gives the time at which they will be there.
func (l *link) arrival(now time.Time, n int) time.Time {
	if l.rate > 0 {
		if l.busy.Before(now) {
			l.busy = now
		}
		l.busy = l.busy.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
		now = l.busy
	}
	return now.Add(l.delay)
}
