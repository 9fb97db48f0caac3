package agency

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/hashicorp/raft"

	"stasis/internal/apierror"
)

// tuning is what PUT and POST of config may change while the agent runs. It is
// this agent's own, and lasts until it stops. Other attributes are ignored.
type tuning struct {
	Step *uint64 `json:"compaction step size"`
	Keep *int    `json:"compaction keep size"`
	// ID and Endpoint tell where a member is to be found.
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
}

// configure changes some values, or the endpoint of one agent, and answers as GET.
func (s *api) configure(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(r)
	if err != nil {
		return err
	}
	var t tuning
	if err := json.Unmarshal(raw, &t); err != nil {
		return apierror.New(apierror.Internal, "configuration: %w", err)
	}
	if err := s.agent.tune(t); err != nil {
		return apierror.New(apierror.Internal, "configuration: %w", err)
	}
	if t.Endpoint != "" {
		address, err := endpointAddress(t.Endpoint)
		if err != nil {
			return apierror.New(apierror.Internal, "configuration: %w", err)
		}
		if _, err := s.agent.admit(r.Context(), t.ID, address, false, false); errors.Is(err, errMember) {
			return apierror.New(apierror.Internal, "configuration: %w", err)
		} else if err != nil {
			return err
		}
	}
	return s.config(w, r)
}

func (a *Agent) tune(t tuning) error {
	if t.Step != nil && *t.Step < 1 || t.Keep != nil && *t.Keep < 1 {
		return errors.New("compaction sizes are positive")
	}
	if t.Keep != nil {
		a.tree.Keep(*t.Keep)
	}
	if t.Step == nil {
		return nil
	}
	a.compaction.Trail(*t.Step)
	return a.reconfigure(a.raft, func(c *raft.ReloadableConfig) { c.SnapshotThreshold, c.TrailingLogs = *t.Step, *t.Step })
}

// compact takes a snapshot now and shortens Raft's log, on this agent.
func (s *api) compact(w http.ResponseWriter, r *http.Request) error {
	err := s.agent.await(r.Context(), func() raft.Future { return s.agent.raft.Snapshot() })
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("compact: %w", err)
	}
	return s.config(w, r)
}

// store shows the tree as it was at an index, if that is one of the last ones;
// anything else is the tree as this agent has it.
func (s *api) store(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(r)
	if err != nil {
		return err
	}
	root := now(s.agent.tree.State()).Root()
	if index, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		if past := s.agent.tree.Past(index); past != nil {
			root = past
		}
	}
	return s.agent.queues.Of(r).Serve(r, w, root.Weight(), func(flush func([]byte) []byte) []byte { return root.StreamJSON(nil, flush) })
}
