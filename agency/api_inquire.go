package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"stasis/agency/fence"
	"stasis/agency/outcome"
)

// inquire says which index the latest transaction with a client id has. It waits
// until whatever this leader was asked before with that id has an outcome: an
// answer 0 means that nothing of it will be applied later.
func (s *api) inquire(c callOf) (int, text, error) {
	var ids []string
	if err := json.Unmarshal(c.body, &ids); err != nil || ids == nil {
		return 0, text{}, badRequest("request body is no array of client ids")
	}
	ongoing := false
	if c.noWait {
		// Before the state is read: what is not pending then is in it.
		ongoing = len(s.agent.proposer.pending(ids)) > 0
	} else if err := s.agent.settled(c.ctx, ids); err != nil {
		return 0, text{}, err
	}
	state, _, err := s.agent.read(c.ctx)
	if err != nil {
		return 0, text{}, err
	}
	results, status := make([]uint64, len(ids)), http.StatusOK
	for i, id := range ids {
		if results[i] = state.Inquire(id); results[i] == 0 {
			status = http.StatusNotFound
		}
	}
	found := append(appendResults(nil, results), `,"inquired":true`...)
	if ongoing {
		found = append(found, `,"ongoing":true`...)
	}
	return status, written(append(found, '}')), nil
}

// settled waits until no transaction that was asked for before, and carries one
// of the ids, is on its way any more.
func (a *Agent) settled(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Write)
	defer cancel()
	for _, e := range a.proposer.pending(ids) {
		select {
		case <-e.done:
		case <-a.fence.Raised():
			return fmt.Errorf("%w: %w", outcome.ErrNotLeader, fence.ErrDiskHangs)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: a transaction is still on its way", outcome.ErrUnknown, outcome.ErrTimeout)
		}
	}
	return nil
}
