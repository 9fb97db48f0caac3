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
	frozen   bool
	delay    time.Duration
	latency  latency
	rate     int64     // bytes per second, 0 = unlimited
	busy     time.Time // until then it is sending what was written before
	tally    Tally
}

// open tells whether packets travel. Handshakes need no more.
func (l *link) open() bool {
	return !l.cut && (l.from == l.to || !l.from.isolated && !l.to.isolated)
}

// up tells whether what is sent is also handed over.
func (l *link) up() bool { return l.open() && !l.frozen }

// plain tells whether the link does nothing at all to what is sent.
func (l *link) plain() bool {
	return l.up() && !l.from.frozen && !l.to.frozen && l.delay == 0 && l.rate == 0 && l.latency.most == 0
}

// lag is how long the next piece is on its way.
func (l *link) lag() time.Duration { return l.delay + l.latency.draw() }

// arrival reserves the link for n bytes and gives the time at which they will be there.
func (l *link) arrival(now time.Time, n int) time.Time {
	if l.delay > 0 {
		l.tally.Delayed.add(n)
	}
	if l.rate > 0 {
		l.tally.Throttled.add(n)
		if l.busy.Before(now) {
			l.busy = now
		}
		l.busy = l.busy.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
		now = l.busy
	}
	return now.Add(l.lag())
}

// keep counts a piece that a rule keeps from arriving now.
func (l *link) keep(bytes int) {
	switch {
	case !l.open():
		l.tally.Held.add(bytes)
	case l.frozen || l.to.frozen:
		l.tally.Frozen.add(bytes)
	}
}
