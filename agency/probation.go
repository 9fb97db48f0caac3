package agency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/internal/failpoint"
	"stasis/internal/network"
)

// probation keeps an agent that starts with nothing from voting as somebody who
// has forgotten what it promised. It may be new, or its directory was wiped: then
// it once acknowledged entries and gave votes that others rely on, and a majority
// with it could elect a leader that lacks them.
//
// On probation an agent takes what a leader sends, but gives no vote and asks for
// none. It ends when a majority of the agents is as empty as this one (the agency
// begins), or when this one has everything that a leader had committed some time
// after this agent began, and has given that leader its vote for the term.
type probation struct {
	begun  time.Time
	settle time.Duration // what the leader tells earlier does not count

	mu     sync.Mutex
	on     bool
	term   uint64 // of the leader that goal is from
	goal   uint64 // what it had committed
	leader string
}

var errOnProbation = errors.New("this agent started with nothing and does not vote yet")

func (p *probation) active() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on
}

// note takes the goal from a leader's call.
func (p *probation) note(r *raft.AppendEntriesRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on && r.LeaderCommitIndex > 0 && r.Term > p.term && time.Since(p.begun) >= p.settle {
		p.term, p.goal, p.leader = r.Term, r.LeaderCommitIndex, string(r.ID)
	}
}

// sift is Raft's calls from other agents without those for a vote.
func (p *probation) sift(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	to := make(chan raft.RPC)
	go func() { // ends with done
		for {
			select {
			case rpc := <-from:
				if p.refuse(rpc) {
					continue
				}
				select {
				case to <- rpc:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return to
}

func (p *probation) refuse(rpc raft.RPC) bool {
	if !p.active() {
		return false
	}
	if _, appends := rpc.Command.(*raft.AppendEntriesRequest); failpoint.Off("probation-gives-no-vote") && !appends {
		return false
	}
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
	switch r := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, nil)
		return true
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, nil)
		return true
	case *raft.TimeoutNowRequest:
		rpc.Respond(nil, errOnProbation)
		return true
	case *raft.AppendEntriesRequest:
		p.note(r)
	}
	return false
}

// caughtUp says whether this agent has what the leader had committed, by an entry
// of the leader's own term.
func (a *Agent) caughtUp() (term uint64, leader string, ok bool) {
	p := a.probation
	p.mu.Lock()
	term, goal, leader := p.term, p.goal, p.leader
	p.mu.Unlock()
	if term == 0 || goal == 0 || a.raft.AppliedIndex() < goal || a.raft.CurrentTerm() != term {
		return term, leader, false
	}
	var entry raft.Log
	if err := a.disk.log.GetLog(a.raft.CommitIndex(), &entry); err == nil {
		return term, leader, entry.Term == term
	}
	return term, leader, a.raft.Stats()["last_snapshot_term"] == strconv.FormatUint(term, 10)
}

// endProbation lets the agent vote from now on, also after a restart.
func (a *Agent) endProbation() error {
	if err := a.disk.mark(false); err != nil {
		return fmt.Errorf("end the probation: %w", err)
	}
	a.probation.mu.Lock()
	a.probation.on = false
	a.probation.mu.Unlock()
	return nil
}

// arrive brings an agent to its place: it ends a probation, joins an agency that
// it is no member of, and tells the others when its address has changed.
func (a *Agent) arrive(join []string) {
	ask := network.NewHTTPClient(a.mux.network)
	ask.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer ask.CloseIdleConnections()
	told := len(join) == 0 && !a.moved()
	for wait := a.timing.Heartbeat / 20; a.running.Err() == nil; wait = min(2*wait, a.timing.Heartbeat/2) {
		if a.probation.active() {
			if err := a.tryOut(ask, len(join) > 0); err != nil {
				a.report(err)
				return
			}
		}
		told = told || a.announce(ask, join)
		if told && !a.probation.active() {
			return
		}
		pause(a.running.Done(), wait)
	}
}

// tryOut ends the probation if it may end.
func (a *Agent) tryOut(ask *http.Client, joins bool) error {
	if term, leader, ok := a.caughtUp(); ok {
		// As if this term's vote had gone to its leader: it cannot go to another.
		err := errors.Join(a.disk.stable.SetUint64([]byte("LastVoteTerm"), term), a.disk.stable.Set([]byte("LastVoteCand"), []byte(leader)))
		if err != nil {
			return fmt.Errorf("end the probation: %w", err)
		}
		a.logger.Info("caught up, voting from now on", "term", term)
		return a.endProbation()
	}
	if joins || !a.allEmpty(ask) {
		return nil
	}
	if err := a.raft.BootstrapCluster(a.firstMembers()).Error(); err != nil {
		if errors.Is(err, raft.ErrCantBootstrap) { // a leader was faster
			return nil
		}
		return fmt.Errorf("bootstrap Raft: %w", err)
	}
	return a.endProbation()
}

// allEmpty says whether a majority of the agents, this one included, has nothing
// beyond the first entry, and none that answers has more.
func (a *Agent) allEmpty(ask *http.Client) bool {
	empty := 1
	for id, address := range a.peers {
		if id == a.id {
			continue
		}
		var body struct {
			LogIndex *uint64 `json:"logIndex"`
		}
		if err := a.fetch(ask, http.MethodGet, address, "config", "", &body); err != nil || body.LogIndex == nil {
			continue
		}
		if *body.LogIndex > 1 {
			return false
		}
		empty++
	}
	return empty > len(a.peers)/2
}

// moved says whether Raft's log has another address of this agent.
func (a *Agent) moved() bool {
	for _, s := range a.members().Servers {
		if string(s.ID) == a.id {
			return string(s.Address) != a.advertise
		}
	}
	return false
}

// announce asks the leader to have this agent as a voter at its address; true
// when it does.
func (a *Agent) announce(ask *http.Client, join []string) bool {
	addresses := append([]string{}, join...)
	for _, s := range a.members().Servers {
		if string(s.ID) != a.id {
			addresses = append(addresses, a.book.address(string(s.ID), string(s.Address)))
		}
	}
	body := fmt.Sprintf(`{"id":%q,"endpoint":%q,"join":%t,"ready":%t}`, a.id, "tcp://"+a.advertise, len(join) > 0, !a.probation.active())
	for _, address := range addresses {
		var answer struct{ Done bool }
		if err := a.fetch(ask, http.MethodPost, address, "members", body, &answer); err == nil {
			return answer.Done
		}
	}
	return false
}

// fetch asks another agent, and the leader it points to.
func (a *Agent) fetch(ask *http.Client, method, address, name, body string, into any) error {
	ctx, cancel := context.WithTimeout(a.running, 2*a.timing.Election)
	defer cancel()
	url := "http://" + address + agencyPrefix + "/" + name
	for range 2 {
		r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			return fmt.Errorf("ask %s: %w", address, err)
		}
		response, err := ask.Do(r)
		if err != nil {
			return fmt.Errorf("ask %s: %w", address, err)
		}
		raw, err := io.ReadAll(io.LimitReader(response.Body, defaultMaxBody))
		_ = response.Body.Close() // read to its end
		switch {
		case err != nil:
			return fmt.Errorf("ask %s: %w", address, err)
		case response.StatusCode == http.StatusTemporaryRedirect:
			url = response.Header.Get("Location")
			continue
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("ask %s: %s: %s", address, response.Status, raw)
		}
		return json.Unmarshal(raw, into)
	}
	return fmt.Errorf("ask %s: no leader", address)
}
