package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"stasis/agency/answer"
	agencyclient "stasis/agency/client"
	"stasis/agency/founding"
	"stasis/agency/keys"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/outcome"
	"stasis/internal/apierror"
)

// membership answers other agents, and operators who change the members.
type membership struct {
	members *member.Members
	leader  Leader
	origins *origin.Origins
	founder *founding.Founder
	bodies  bodies
}

// request is what members is asked.
type request struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Join     bool   `json:"join"`
	Ready    bool   `json:"ready"` // to vote: only the agent itself knows
	Transfer bool   `json:"transfer"`
}

// serve lists (GET), adds and moves (POST), transfers leadership (POST with transfer) and removes
// (DELETE ?id=). The leader answers it.
func (s *membership) serve(w http.ResponseWriter, r *http.Request) error {
	done, err := true, error(nil)
	switch r.Method {
	case http.MethodPost:
		done, err = s.change(r)
	case http.MethodDelete:
		err = s.members.Remove(r.Context(), r.URL.Query().Get("id"))
	}
	if errors.Is(err, member.ErrRefused) {
		return apierror.New(apierror.BadParameter, "%w", err)
	}
	if err != nil {
		return err
	}
	l := s.leader.Current()
	if l == nil && r.Method == http.MethodGet {
		return outcome.ErrNotLeader
	}
	body := agencyclient.Members{Done: done}
	if l != nil {
		body.Members = s.members.List(l)
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

func (s *membership) change(r *http.Request) (done bool, err error) {
	raw, err := s.bodies.read(r)
	if err != nil {
		return false, err
	}
	var q request
	if err := json.Unmarshal(raw, &q); err != nil {
		return false, badRequest("request body: %v", err)
	}
	if q.Transfer {
		return true, s.members.Transfer(r.Context(), q.ID)
	}
	theirs, err := keys.ParseOrigin(r.Header.Get(keys.OriginHeader))
	if err != nil {
		return false, badRequest("header %s: %v", keys.OriginHeader, err)
	}
	if err := s.origins.RefuseMember(theirs); err != nil {
		return false, err
	}
	address, err := endpointAddress(q.Endpoint)
	if err != nil || q.ID == "" {
		return false, badRequest("a member is {\"id\":…,\"endpoint\":\"tcp://host:port\"}")
	}
	return s.members.Admit(r.Context(), member.Candidate{ID: q.ID, Address: address, Join: q.Join, Ready: q.Ready})
}

// founding answers an agent with an empty directory.
func (s *membership) founding(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.bodies.read(r)
	if err != nil {
		return err
	}
	var call founding.Call
	if err := json.Unmarshal(raw, &call); err != nil || call.ID == "" {
		return badRequest("an agent that asks sends {\"id\":…,\"seed\":…}")
	}
	reply, err := s.founder.Answer(call)
	if err != nil {
		return err
	}
	answer.Write(w, http.StatusOK, reply)
	return nil
}
