package api

import (
	"encoding/json"
	"net/http"
)

// inquire answers with the index of the latest transaction with a client id. It waits until
// everything that this leader was asked before with that id has an outcome: after an answer 0
// nothing of it is applied.
func (s *data) inquire(c callOf) (int, text, error) {
	var ids []string
	if err := json.Unmarshal(c.body, &ids); err != nil || ids == nil {
		return 0, text{}, badRequest("request body is no array of client ids")
	}
	ongoing := false
	if c.noWait {
		// Before the state is read: what has an outcome by then is in it.
		ongoing = s.proposer.Ongoing(ids)
	} else if err := s.proposer.AwaitOutcomes(c.ctx, ids); err != nil {
		return 0, text{}, err
	}
	state, _, err := s.reader.Read(c.ctx)
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
