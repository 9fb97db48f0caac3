package agency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hashicorp/raft"

	"stasis/agency/keys"
	"stasis/internal/network"
)

// arrive brings an agent to its place: it ends a probation, joins an agency that
// it is no member of, and tells the others when its address has changed.
func (a *Agent) arrive(join []string) {
	ask := network.NewHTTPClient(a.port.Network())
	ask.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer ask.CloseIdleConnections()
	told := len(join) == 0 && a.inPlace()
	for wait := a.timing.Heartbeat / 20; a.running.Err() == nil; wait = min(2*wait, a.timing.Heartbeat/2) {
		if a.probation.active() {
			at, err := a.tryOut(ask, len(join) > 0)
			if err != nil {
				a.giveUp(err)
				return
			}
			if len(at) > 0 {
				join, told = at, false
			}
		}
		told = told || a.announce(ask, join)
		if told && !a.probation.active() {
			return
		}
		pause(a.running.Done(), wait)
	}
}

// tryOut ends the probation if it may end. If this agent is to ask for its membership
// first, it says where.
func (a *Agent) tryOut(ask *http.Client, joins bool) (join []string, err error) {
	if term, leader, ok := a.caughtUp(); ok {
		// As if this term's vote had gone to its leader: it cannot go to another.
		err := errors.Join(a.disk.Stable.SetUint64([]byte("LastVoteTerm"), term), a.disk.Stable.Set([]byte("LastVoteCand"), []byte(leader)))
		if err != nil {
			return nil, fmt.Errorf("end the probation: %w", err)
		}
		a.logger.Info("caught up, voting from now on", "term", term)
		return nil, a.endProbation()
	}
	if joins {
		return nil, nil // everything comes from the leader
	}
	q := a.inquire(ask)
	f, waiting := q.decide()
	if f.Exists() { // the second round is asked when all have answered the first
		q = a.inquire(ask)
		again, but := q.decide()
		if again.Origin == f.Origin {
			return nil, a.found(f)
		}
		waiting = but
	}
	a.waits(waiting)
	return q.recovered(), nil
}

// inPlace says whether Raft's log has this agent at its address, with a vote. An agent
// that was removed is told nowhere: it is added by who wants it back.
func (a *Agent) inPlace() bool {
	for _, s := range a.members().Servers {
		if string(s.ID) == a.id {
			return string(s.Address) == a.advertise && s.Suffrage == raft.Voter
		}
	}
	return true
}

// announce asks the leader to have this agent as a voter at its address; true
// when it does.
func (a *Agent) announce(ask *http.Client, join []string) bool {
	if a.IsLeader() { // an agent alone that has moved, or was recovered
		done, err := a.admit(a.running, a.id, a.advertise, false, true)
		return done && err == nil // else it is tried again
	}
	addresses := append([]string{}, join...)
	for _, s := range a.members().Servers {
		if string(s.ID) != a.id {
			addresses = append(addresses, a.book.Of(string(s.ID), string(s.Address)))
		}
	}
	body := fmt.Sprintf(`{"id":%q,"endpoint":%q,"join":%t,"ready":%t}`, a.id, "tcp://"+a.advertise, len(join) > 0, !a.probation.active())
	failed := errors.New("this agent knows no other: name one with --join")
	for _, address := range addresses {
		var answer struct{ Done bool }
		if failed = a.fetch(ask, http.MethodPost, address, "members", body, &answer); failed == nil {
			return answer.Done
		}
	}
	if len(join) > 0 && a.probation.active() {
		a.waits("it asks to become a member: " + failed.Error())
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
		r.Header.Set(keys.OriginHeader, a.origins.origin().Text())
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
		case response.StatusCode == http.StatusMisdirectedRequest:
			return a.misdirected(address, response.Header.Get(keys.OriginHeader))
		case response.StatusCode != http.StatusOK:
			return fmt.Errorf("ask %s: %s: %s", address, response.Status, raw)
		}
		return json.Unmarshal(raw, into)
	}
	return fmt.Errorf("ask %s: no leader", address)
}

// misdirected is the answer of an agent that belongs elsewhere. To one of a later
// incarnation, or of the agency that this agent was told to join, this agent is the stranger.
func (a *Agent) misdirected(address, header string) error {
	theirs, err := keys.ParseOrigin(header)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	mine := a.origins.origin()
	if mine.Sees(theirs) == keys.Newer {
		return a.meet(address, theirs)
	}
	err = fmt.Errorf("%w: the agent at %s belongs to %s, this one to %s", errStranger, address, theirs, mine)
	if a.joins {
		a.giveUp(fmt.Errorf("%w: to become a member there, it starts with an empty data directory", err))
	}
	return err
}
