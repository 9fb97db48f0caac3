package agency

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"stasis/fsm"
)

const (
	defaultPoll = 60 * time.Second
	longestPoll = time.Hour
)

// polled is the result of a poll: a whole tree, or the log from an index on.
type polled struct {
	tree   *fsm.Node // nil: the log
	log    []fsm.Entry
	commit uint64
	first  uint64
}

// poll is the watch: it answers at once with the tree or the log if there is
// something to tell, and waits for the next change otherwise.
func (s *api) poll(w http.ResponseWriter, r *http.Request) error {
	from, timeout, err := pollArguments(r.URL.Query())
	if err != nil {
		return err
	}
	result, err := s.agent.poll(r.Context(), from, timeout)
	if err != nil {
		return err
	}
	body := map[string]any{"commitIndex": result.commit, "firstIndex": result.first}
	if result.tree != nil {
		body["readDB"] = result.tree
	} else {
		body["log"] = append([]fsm.Entry{}, result.log...) // never null
	}
	answer(w, http.StatusOK, ok(map[string]any{"result": body}))
	return nil
}

func pollArguments(q url.Values) (from uint64, timeout time.Duration, err error) {
	timeout = defaultPoll
	if v := q.Get("index"); v != "" {
		if from, err = strconv.ParseUint(v, 10, 64); err != nil {
			return 0, 0, badRequest("index: %v", err)
		}
	}
	if v := q.Get("timeout"); v != "" {
		seconds, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(seconds) || seconds < 0 {
			return 0, 0, badRequest("timeout is no number of seconds: %q", v)
		}
		timeout = time.Duration(min(seconds, longestPoll.Seconds()) * float64(time.Second))
	}
	return from, timeout, nil
}

// poll gives the log from an index on, or the whole tree if the log does not
// reach back to it (it never does to 0). If the index is not reached yet it waits
// for that; after timeout the log is empty.
//
// What is answered at once is confirmed like a read, so that nobody starts to
// watch from a deposed leader. Who waits for something new is not confirmed
// first: entries applied here are committed wherever the leader is.
func (a *Agent) poll(ctx context.Context, from uint64, timeout time.Duration) (polled, error) {
	o, err := a.office(ctx)
	if err != nil {
		return polled{}, err
	}
	state, _, changed := a.machine.watch()
	if from <= state.Index() {
		if state, o, err = a.read(ctx); err != nil {
			return polled{}, err
		}
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for from > state.Index() {
		select {
		case <-changed:
			state, _, changed = a.machine.watch()
		case <-timer.C:
			return polled{commit: state.Index(), first: state.Index()}, nil
		case <-o.held.Done():
			return polled{}, fmt.Errorf("leadership ended while waiting: %w", errPollEnded)
		case <-ctx.Done():
			return polled{}, fmt.Errorf("%w: %w", errPollEnded, context.Cause(ctx))
		}
	}
	if entries, kept := state.Log(from); kept {
		return polled{log: entries, commit: state.Index(), first: from}, nil
	}
	return polled{tree: now(state).Root(), commit: state.Index()}, nil
}

// errPollEnded is a poll that cannot go on here: 503, and nothing was missed.
var errPollEnded = plainError{http.StatusServiceUnavailable, "poll ended: " + noLeader}
