package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/fsm"
	"stasis/internal/wait"
)

const (
	pollTimeout = 2 * time.Second       // a poll waits so long for something new
	pollPause   = 50 * time.Millisecond // after an answer that is of no use
)

// Plans are the versions of Plan, and when Plan was frozen, by the agency's log. Stop ends it.
type Plans struct {
	agency *agencyclient.Client
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex // held shortly, never over a call
	news     chan struct{}
	root     *fsm.Node // nil: no agent has answered yet
	index    uint64    // of root
	versions []version // in the order of the log
	gaps     []gap
	freezes  freezes
}

// version is a Plan and the index from which on it was that.
type version struct {
	from uint64
	plan *fsm.Node
}

// gap is a part of the log that was not seen: what is after one index and before the other.
type gap struct{ after, before uint64 }

func (g gap) text() string {
	return fmt.Sprintf("the agency's log between index %d and %d was cut off before it was read", g.after, g.before)
}

// FollowPlan begins to follow the log of the agency whose agents have these URLs. It starts a goroutine, which Stop ends. In a
// bubble of testing/synctest it belongs to that bubble.
func FollowPlan(web *http.Client, agents []string) *Plans {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Plans{
		agency: agencyclient.New(agencyclient.Options{Endpoints: agents, HTTP: web}),
		cancel: cancel, ended: make(chan struct{}), news: make(chan struct{}),
	}
	go func() {
		defer close(p.ended)
		p.follow(ctx)
	}()
	return p
}

// Stop ends it and waits. What it has seen stays. Stopping again is harmless.
func (p *Plans) Stop() {
	p.cancel()
	<-p.ended
}

// Reached waits until the log has been followed up to an index, and at least until the first tree is there.
func (p *Plans) Reached(ctx context.Context, index uint64) error {
	for {
		p.mu.Lock()
		at, there, news := p.index, p.root.Exists(), p.news
		p.mu.Unlock()
		if there && at >= index {
			return nil
		}
		select {
		case <-news:
		case <-p.ended:
			return fmt.Errorf("the agency's log was followed up to index %d, and then no more", at)
		case <-ctx.Done():
			return fmt.Errorf("follow the agency's log to index %d: it is known up to %d: %w", index, at, context.Cause(ctx))
		}
	}
}

// follow asks for what comes next until ctx ends. What agents answer while faults are there may be nothing.
func (p *Plans) follow(ctx context.Context) {
	whole := true
	for ctx.Err() == nil {
		from := uint64(0)
		if !whole {
			from = p.index + 1 // this goroutine alone writes it
		}
		answer, err := p.agency.Poll(ctx, from, pollTimeout)
		fits := err == nil && p.take(answer)
		whole = !p.root.Exists() || err == nil && !fits
		if !fits && wait.For(ctx, pollPause) != nil {
			return
		}
	}
}

// take takes an answer. false: it does not continue what is known, so the whole tree is needed.
func (p *Plans) take(r agencyclient.PollResult) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.index
	defer func() {
		if p.index != was {
			close(p.news)
			p.news = make(chan struct{})
		}
	}()
	if r.ReadDB.Exists() {
		return p.takeWhole(r)
	}
	for _, e := range r.Log {
		if e.Index <= p.index {
			continue
		}
		after := fsm.Replay(p.root, e)
		if e.Index != p.index+1 || !after.Exists() {
			return false
		}
		p.freezes.entry(p.root, after, e)
		p.root, p.index = after, e.Index
		p.keep()
	}
	return r.CommitIndex <= p.index // an agent that knows less is asked again
}

func (p *Plans) takeWhole(r agencyclient.PollResult) bool {
	switch {
	case !p.root.Exists():
	case r.CommitIndex <= p.index:
		return true
	default:
		p.gaps = append(p.gaps, gap{p.index, r.CommitIndex})
	}
	p.root, p.index = r.ReadDB, r.CommitIndex
	p.keep()
	p.freezes.begin(p.root, p.index)
	return true
}

// keep keeps the present Plan, if it is another than before.
func (p *Plans) keep() {
	now := p.root.At(keys.Plan)
	if n := len(p.versions); n > 0 && fsm.Equal(p.versions[n-1].plan, now) {
		return
	}
	p.versions = append(p.versions, version{p.index, now})
}

// At is the Plan at an index, as JSON. An error says why it is not known.
func (p *Plans) At(index uint64) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index > p.index {
		return nil, fmt.Errorf("the agency's log was followed up to index %d only", p.index)
	}
	for _, g := range p.gaps {
		if index > g.after && index < g.before {
			return nil, errors.New(g.text())
		}
	}
	for i := len(p.versions) - 1; i >= 0; i-- {
		if v := p.versions[i]; v.from <= index {
			return v.plan.MarshalJSON()
		}
	}
	return nil, fmt.Errorf("the agency's log was followed from a later index on")
}

// Unknown is what of Plan was not seen; nothing if all was.
func (p *Plans) Unknown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	if !p.root.Exists() {
		all = append(all, "no agent has answered: no version of Plan is known")
	}
	for _, g := range p.gaps {
		all = append(all, g.text())
	}
	return all
}

// frozen is what was wrong with the freezes that the log shows.
func (p *Plans) frozen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.freezes.violations(p.root)
}

// differs is what is wrong with a Plan that is said to be that of an index; "" if nothing is.
func (p *Plans) differs(index uint64, plan []byte) (string, error) {
	want, err := p.At(index)
	if err != nil {
		return "", err
	}
	if same, err := samePlan(want, plan); err != nil || same {
		return "", err
	}
	return fmt.Sprintf("it has another Plan than the agency had at index %d: %s", index, difference(want, plan)), nil
}

func samePlan(a, b []byte) (bool, error) {
	one, err := hashOf(a)
	if err != nil {
		return false, err
	}
	other, err := hashOf(b)
	return one == other, err
}

func hashOf(text []byte) (string, error) {
	node, err := fsm.Parse(text)
	if err != nil {
		return "", fmt.Errorf("read a Plan: %w", err)
	}
	return certificate.Hash(node)
}
