package agency

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"stasis/agency/client"
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
	head := client.SnapshotHead{
		Origin: s.agent.origins.origin(), Index: state.Index(), Term: state.Term(),
		Taken: time.Now().UTC().Format(time.RFC3339), Version: version.Stasis,
	}
	var file bytes.Buffer
	if err := client.WriteSnapshot(&file, head, state); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(file.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(file.Bytes()) // the client may be gone, or find that it is torn
	return nil
}
