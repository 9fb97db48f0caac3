package agency

import (
	"net/http"
	"time"

	"stasis/agency/answer"
	agencyclient "stasis/agency/client"
	"stasis/internal/version"
)

// snapshot answers with the whole tree as a file: the state that a linearizable read
// sees, with what expires, who observes, and the newest changes. The transient tree is no
// part of it.
func (s *api) snapshot(w http.ResponseWriter, r *http.Request) error {
	state, _, err := s.agent.read(r.Context())
	if err != nil {
		return err
	}
	head := agencyclient.SnapshotHead{
		Origin: s.agent.origins.origin(), Index: state.Index(), Term: state.Term(),
		Taken: time.Now().UTC().Format(time.RFC3339), Version: version.Stasis,
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	return s.agent.queues.Of(r).Send(r.Context(), w, state.Weight()+state.LogBytes(), func(flush func([]byte) []byte) []byte {
		if err := agencyclient.WriteSnapshot(answer.Flusher(flush), head, state); err != nil {
			s.agent.logger.Error("snapshot not sent to its end", "error", err) // its reader finds it torn
		}
		return nil
	})
}
