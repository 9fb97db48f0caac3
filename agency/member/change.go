package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/leadership"
	"stasis/agency/outcome"
)

// ErrRefused is wrapped by the error of a change that cannot be made as it was asked for.
var ErrRefused = errors.New("membership not changed")

// errTooFew: without the member there would be no majority that answers.
var errTooFew = fmt.Errorf("%w: no majority would answer", ErrRefused)

// Candidate is an agent that is to be a voter at an address.
type Candidate struct {
	ID      string
	Address string // host:port
	Join    bool   // it may be added if it is no member
	Ready   bool   // it says that it may vote
}

// Admit takes one step towards the candidate being a voter at its address, and tells whether that
// is reached. Ask again until it is. An unknown agent becomes a learner; one that has caught up
// and is ready becomes a voter; a member that has moved gets its new address.
func (m *Members) Admit(ctx context.Context, c Candidate) (done bool, err error) {
	l, err := m.options.Leader.Serving(ctx)
	if err != nil {
		return false, err
	}
	id, address := raft.ServerID(c.ID), raft.ServerAddress(c.Address)
	vote := func() raft.Future { return m.raft.AddVoter(id, address, 0, 0) }
	learn := func() raft.Future { return m.raft.AddNonvoter(id, address, 0, 0) }
	servers := m.Configuration().Servers
	i := slices.IndexFunc(servers, func(s raft.Server) bool { return s.ID == id })
	switch {
	case i < 0 && !c.Join:
		return false, fmt.Errorf("%w: %s is no member of this agency: add it", ErrRefused, id)
	case i < 0:
		for _, s := range servers {
			if s.Address == address {
				return false, fmt.Errorf("%w: %s is already the address of %s: remove that agent first", ErrRefused, address, s.ID)
			}
		}
		m.options.Book.Add(c.ID, c.Address)
		return false, m.options.Waiter.Await(ctx, learn)
	case servers[i].Address != address && servers[i].Suffrage == raft.Voter:
		return true, m.options.Waiter.Await(ctx, vote)
	case servers[i].Address != address:
		return false, m.options.Waiter.Await(ctx, learn)
	case servers[i].Suffrage == raft.Voter:
		return true, nil
	}
	const close = 64 // entries: what is missing then is sent before anything waits for it
	if last, ok := m.options.Acks.Last(id, l.Term); !c.Ready || !ok || last.Matched == 0 || last.Matched+close < m.raft.LastIndex() {
		return false, nil // still catching up
	}
	return true, m.options.Waiter.Await(ctx, vote)
}

// Remove removes a member for good. It refuses to remove a member without which no majority
// would answer. A leader that has just begun has not heard of all others yet, so Remove waits
// for them, as long as silence is tolerated.
func (m *Members) Remove(ctx context.Context, id string) error {
	patience := time.NewTimer(2 * m.options.Election)
	defer patience.Stop()
	again := time.NewTicker(m.options.Election / 10)
	defer again.Stop()
	for {
		l, err := m.options.Leader.Serving(ctx)
		if err != nil {
			return err
		}
		err = m.dispensable(l, id)
		if err == nil {
			return m.options.Waiter.Await(ctx, func() raft.Future { return m.raft.RemoveServer(raft.ServerID(id), 0, 0) })
		}
		if !errors.Is(err, errTooFew) {
			return err
		}
		select {
		case <-again.C:
		case <-patience.C:
			return err
		case <-m.running.Done():
			return outcome.ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// dispensable says why a member cannot be removed, nil if it can.
func (m *Members) dispensable(l *leadership.Leadership, id string) error {
	alive, voters, known := 0, 0, false
	for _, e := range m.List(l) {
		if e.ID == id {
			known = true
			continue
		}
		if e.Voter {
			voters++
			if e.Heard && e.SilentSeconds < (2*m.options.Election).Seconds() {
				alive++
			}
		}
	}
	switch {
	case !known:
		return fmt.Errorf("%w: %s is no member of this agency", ErrRefused, id)
	case voters == 0:
		return fmt.Errorf("%w: %s is the last agent", ErrRefused, id)
	case alive < voters/2+1:
		return fmt.Errorf("%w: without %s only %d of %d agents would: bring agents back, or add new ones, first", errTooFew, id, alive, voters)
	}
	return nil
}

// Transfer gives the leadership to another agent; to the one that is furthest if id is empty.
func (m *Members) Transfer(ctx context.Context, id string) error {
	if _, err := m.options.Leader.Serving(ctx); err != nil {
		return err
	}
	if id == "" {
		return m.options.Waiter.Await(ctx, func() raft.Future { return m.raft.LeadershipTransfer() })
	}
	if id == m.options.Self {
		return nil
	}
	for _, s := range m.Configuration().Servers {
		if string(s.ID) == id && s.Suffrage == raft.Voter {
			return m.options.Waiter.Await(ctx, func() raft.Future { return m.raft.LeadershipTransferToServer(s.ID, s.Address) })
		}
	}
	return fmt.Errorf("%w: %s has no vote in this agency", ErrRefused, id)
}
