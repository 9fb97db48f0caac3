package client

import (
	"context"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// leader is the client's guess which agent leads, and the polls that wait at agents.
type leader struct {
	log hclog.Logger

	mu       sync.Mutex
	endpoint string  // the agent that answered last; "" if unknown
	polls    []*poll // in the order in which they began
	troubled bool    // no leader answers, and that has been logged
}

// poll is a long request that is given up once another agent leads.
type poll struct {
	endpoint string
	cancel   context.CancelFunc
}

// leads notes that endpoint answered as leader, and gives up the polls that wait elsewhere: a
// deposed or hung leader would not wake them.
func (l *leader) leads(endpoint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.troubled {
		l.troubled = false
		l.log.Info("agency answers again", "leader", endpoint)
	}
	if l.endpoint == endpoint {
		return
	}
	l.endpoint = endpoint
	for _, p := range l.polls {
		if p.endpoint != endpoint {
			p.cancel()
		}
	}
}

// doubt forgets endpoint as the leader, if it was taken for it.
func (l *leader) doubt(endpoint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.endpoint == endpoint {
		l.endpoint = ""
	}
}

// guess is the agent that probably leads, "" if there is no idea.
func (l *leader) guess() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endpoint
}

// polling registers a poll until the function it returns is called.
func (l *leader) polling(endpoint string, cancel context.CancelFunc) (done func()) {
	p := &poll{endpoint: endpoint, cancel: cancel}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polls = append(l.polls, p)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.polls = slices.DeleteFunc(l.polls, func(other *poll) bool { return other == p })
	}
}

// trouble logs, once until an agent leads again, that none does.
func (l *leader) trouble(last error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.troubled {
		l.troubled = true
		l.log.Warn("no leader of the agency answers", "last", last)
	}
}
