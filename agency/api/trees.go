package api

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/answer"
	agencyclient "stasis/agency/client"
	"stasis/agency/origin"
	"stasis/agency/quota"
	"stasis/agency/readindex"
	"stasis/agency/tree"
	"stasis/fsm"
	"stasis/internal/version"
)

// trees shows whole trees.
type trees struct {
	leader  Leader
	reader  *readindex.Reader
	tree    *tree.Replica
	origins *origin.Origins
	queues  *answer.Queues
	bodies  bodies
	logger  hclog.Logger
}

// state shows this agent's own tree and log. They need not be the newest, unless the leader is
// asked for.
func (s *trees) state(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Get("redirectToLeader") == "true" {
		if _, err := s.leader.Serving(r.Context()); err != nil {
			return err
		}
	}
	state := s.tree.State()
	entries, _ := state.Log(state.FirstIndex())
	root := s.tree.Present(state).Root()
	return s.queues.Of(r).Serve(r, w, root.Weight()+sizeOf(entries), func(flush func([]byte) []byte) []byte {
		return appendStateLog(root.StreamJSON([]byte(`{"agency":`), flush), state, entries, flush)
	})
}

// appendStateLog writes what follows the tree. Each entry of the log has the key that ArangoDB
// gives it.
func appendStateLog(to []byte, state *fsm.State, entries []fsm.Entry, flush func([]byte) []byte) []byte {
	current := uint64(0) // nothing was compacted
	if first := state.FirstIndex(); first > 1 {
		current = first
	}
	to = fmt.Appendf(to, `,"compaction":{},"current":%d,"index":%d,"log":[`, current, state.Index())
	for i, e := range entries {
		if i > 0 {
			to = append(to, ',')
		}
		to = fmt.Appendf(to, `{"_key":"%020d",`, e.Index)
		begin := len(to)
		to = e.AppendJSON(to)
		to = append(to[:begin], to[begin+1:]...) // its own brace
		to = answer.Flushed(to, flush)
	}
	return fmt.Appendf(to, `],"term":%d}`, state.Term())
}

// stores shows this agent's own trees.
func (s *trees) stores(w http.ResponseWriter, r *http.Request) error {
	root := s.tree.Present(s.tree.State()).Root()
	var transient *fsm.Node
	size := 2 * root.Weight()
	if l := s.leader.Current(); l != nil {
		transient = l.Transient.State().Root()
		size = quota.Plus(size, transient.Weight())
	}
	return s.queues.Of(r).Serve(r, w, size, func(flush func([]byte) []byte) []byte {
		to := root.StreamJSON([]byte(`{"read_db":[`), flush)
		to = root.StreamJSON(append(to, `],"spearhead":[`...), flush)
		to = append(to, `],"transient":[`...)
		if transient == nil {
			return append(to, `{}]}`...)
		}
		return append(transient.StreamJSON(to, flush), `]}`...)
	})
}

// store shows the tree as it was at an index, if that is one of the last ones, and otherwise as
// this agent has it.
func (s *trees) store(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.bodies.read(r)
	if err != nil {
		return err
	}
	root := s.tree.Present(s.tree.State()).Root()
	if index, err := strconv.ParseUint(string(raw), 10, 64); err == nil {
		if past := s.tree.Past(index); past != nil {
			root = past
		}
	}
	return s.queues.Of(r).Serve(r, w, root.Weight(), func(flush func([]byte) []byte) []byte { return root.StreamJSON(nil, flush) })
}

// snapshot answers with the whole tree as a file: the state that a linearizable read sees, with
// expiry times, observers and the newest changes. The transient tree is no part of it.
func (s *trees) snapshot(w http.ResponseWriter, r *http.Request) error {
	state, _, err := s.reader.Read(r.Context())
	if err != nil {
		return err
	}
	head := agencyclient.SnapshotHead{
		Origin: s.origins.Origin(), Index: state.Index(), Term: state.Term(),
		Taken: s.tree.Wall().Stamp(), Version: version.Stasis,
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	return s.queues.Of(r).Send(r.Context(), w, state.Weight()+state.LogBytes(), func(flush func([]byte) []byte) []byte {
		if err := agencyclient.WriteSnapshot(answer.Flusher(flush), head, state); err != nil {
			s.logger.Error("snapshot not sent to its end", "error", err) // its reader finds it incomplete
		}
		return nil
	})
}
