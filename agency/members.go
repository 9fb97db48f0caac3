package agency

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/answer"
	agencyclient "stasis/agency/client"
	"stasis/agency/fence"
	"stasis/agency/outcome"
	"stasis/internal/apierror"
)

// errMember is a change of the membership that is refused as it was asked for.
var errMember = errors.New("membership not changed")

// memberList tells who belongs to the agency and how each keeps up, as its leader
// sees it.
func (a *Agent) memberList(o *office) []agencyclient.Member {
	var list []agencyclient.Member
	for _, s := range a.members().Servers {
		m := agencyclient.Member{ID: string(s.ID), Endpoint: "tcp://" + a.book.Of(string(s.ID), string(s.Address)), Voter: s.Suffrage == raft.Voter}
		if m.Leader = m.ID == a.id; m.Leader {
			m.Heard, m.Lag = true, 0
			m.Alarm = a.quota.State(a.tree.State().Weight()).Alarm
		} else if last, ok := a.acks.last(s.ID, o.term); ok {
			m.Heard, m.SilentSeconds = true, time.Since(last.at).Seconds()
			m.Lag = a.raft.LastIndex() - min(a.raft.LastIndex(), last.matched)
		}
		list = append(list, m)
	}
	slices.SortFunc(list, func(x, y agencyclient.Member) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// admit takes one step towards an agent being a voter at an address, and says
// whether that is reached. The steps are: an unknown agent is sent the log without
// a vote; when it has caught up, and says that it is ready to vote, it gets its vote; a member that has moved is found
// at its new address. Whoever wants it asks again until it is done.
func (a *Agent) admit(ctx context.Context, id, address string, join, ready bool) (done bool, err error) {
	o, err := a.office(ctx)
	if err != nil {
		return false, err
	}
	servers := a.members().Servers
	i := slices.IndexFunc(servers, func(s raft.Server) bool { return string(s.ID) == id })
	switch {
	case i < 0 && !join:
		return false, fmt.Errorf("%w: %s is no member of this agency: add it", errMember, id)
	case i < 0:
		for _, s := range servers {
			if string(s.Address) == address {
				return false, fmt.Errorf("%w: %s is already the address of %s: remove that agent first", errMember, address, s.ID)
			}
		}
		a.book.Add(id, address)
		return false, a.await(ctx, func() raft.Future { return a.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0) })
	case string(servers[i].Address) != address && servers[i].Suffrage == raft.Voter:
		return true, a.await(ctx, func() raft.Future { return a.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0) })
	case string(servers[i].Address) != address:
		return false, a.await(ctx, func() raft.Future { return a.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0) })
	case servers[i].Suffrage == raft.Voter:
		return true, nil
	}
	const close = 64 // entries: what is missing then is sent before anybody waits for it
	if last, ok := a.acks.last(servers[i].ID, o.term); !ready || !ok || last.matched == 0 || last.matched+close < a.raft.LastIndex() {
		return false, nil // still catching up
	}
	return true, a.await(ctx, func() raft.Future { return a.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0) })
}

// expel removes a member for good. It does not lead to a loss of the majority: an
// agent of which the rest could not commit without is not removed. A leader that has
// just begun has not heard of all others yet, and waits for as long as silence is borne.
func (a *Agent) expel(ctx context.Context, id string) error {
	patience := time.NewTimer(2 * a.timing.Election)
	defer patience.Stop()
	again := time.NewTicker(a.timing.Election / 10)
	defer again.Stop()
	for {
		o, err := a.office(ctx)
		if err != nil {
			return err
		}
		err = a.dispensable(o, id)
		if err == nil {
			return a.await(ctx, func() raft.Future { return a.raft.RemoveServer(raft.ServerID(id), 0, 0) })
		}
		if !errors.Is(err, errTooFew) {
			return err
		}
		select {
		case <-again.C:
		case <-patience.C:
			return err
		case <-a.running.Done():
			return outcome.ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errTooFew: without the member there would be no majority that answers.
var errTooFew = fmt.Errorf("%w: no majority would answer", errMember)

// dispensable says why a member cannot be removed, nil if it can.
func (a *Agent) dispensable(o *office, id string) error {
	alive, voters, known := 0, 0, false
	for _, m := range a.memberList(o) {
		if m.ID == id {
			known = true
			continue
		}
		if m.Voter {
			voters++
			if m.Heard && m.SilentSeconds < (2*a.timing.Election).Seconds() {
				alive++
			}
		}
	}
	switch {
	case !known:
		return fmt.Errorf("%w: %s is no member of this agency", errMember, id)
	case voters == 0:
		return fmt.Errorf("%w: %s is the last agent", errMember, id)
	case alive < voters/2+1:
		return fmt.Errorf("%w: without %s only %d of %d agents would: bring agents back, or add new ones, first", errTooFew, id, alive, voters)
	}
	return nil
}

// hand gives the leadership to another agent; to the one that is furthest if id is empty.
func (a *Agent) hand(ctx context.Context, id string) error {
	if _, err := a.office(ctx); err != nil {
		return err
	}
	if id == "" {
		return a.await(ctx, func() raft.Future { return a.raft.LeadershipTransfer() })
	}
	if id == a.id {
		return nil
	}
	for _, s := range a.members().Servers {
		if string(s.ID) == id && s.Suffrage == raft.Voter {
			return a.await(ctx, func() raft.Future { return a.raft.LeadershipTransferToServer(s.ID, s.Address) })
		}
	}
	return fmt.Errorf("%w: %s has no vote in this agency", errMember, id)
}

// await asks Raft for a change and waits for it, at most as long as for a write. The
// asking waits for Raft's loop, too.
func (a *Agent) await(ctx context.Context, ask func() raft.Future) error {
	ended := make(chan error, 1)
	a.asked.Go(func() { ended <- ask().Error() }) // ends with Raft at the latest
	timer := time.NewTimer(a.timing.Write)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return outcomeOf(err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: %w: no majority has accepted it within %s", outcome.ErrUnknown, outcome.ErrTimeout, a.timing.Write)
	case <-a.fence.Raised():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, fence.ErrDiskHangs)
	case <-a.running.Done():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, outcome.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", outcome.ErrUnknown, context.Cause(ctx))
	}
}

// membersRequest is what /_api/agency/members is asked.
type membersRequest struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Join     bool   `json:"join"`
	Ready    bool   `json:"ready"` // to vote: only the agent itself knows
	Transfer bool   `json:"transfer"`
}

// membership lists (GET), adds and moves (POST), transfers leadership (POST with
// transfer) and removes (DELETE ?id=). It is asked at the leader.
func (s *api) membership(w http.ResponseWriter, r *http.Request) error {
	a := s.agent
	done, err := true, error(nil)
	switch r.Method {
	case http.MethodPost:
		done, err = s.changeMember(w, r)
	case http.MethodDelete:
		err = a.expel(r.Context(), r.URL.Query().Get("id"))
	}
	if err != nil {
		return asMemberError(err)
	}
	o := a.current.Load()
	if o == nil && r.Method == http.MethodGet {
		return outcome.ErrNotLeader
	}
	body := agencyclient.Members{Done: done}
	if o != nil {
		body.Members = a.memberList(o)
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

func asMemberError(err error) error {
	if errors.Is(err, errMember) {
		return apierror.New(apierror.BadParameter, "%w", err)
	}
	return err
}

func (s *api) changeMember(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	raw, err := s.body(r)
	if err != nil {
		return false, err
	}
	var q membersRequest
	if err := json.Unmarshal(raw, &q); err != nil {
		return false, badRequest("request body: %v", err)
	}
	if q.Transfer {
		return true, s.agent.hand(r.Context(), q.ID)
	}
	if err := s.agent.refuseOlder(r.Header); err != nil {
		return false, err
	}
	address, err := endpointAddress(q.Endpoint)
	if err != nil || q.ID == "" {
		return false, badRequest("a member is {\"id\":…,\"endpoint\":\"tcp://host:port\"}")
	}
	return s.agent.admit(r.Context(), q.ID, address, q.Join, q.Ready)
}

// endpointAddress is the "host:port" of an endpoint, with or without a scheme.
func endpointAddress(endpoint string) (string, error) {
	_, address, ok := strings.Cut(endpoint, "://")
	if !ok {
		address = endpoint
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || port == "0" {
		return "", fmt.Errorf("%q is no endpoint", endpoint)
	}
	return address, nil
}
