// Package observer tells those who observe a path of the tree of changes, while this agent leads.
//
// A call is a hint. There is one attempt. What a leadership had not told when it ended is not
// told. Changes that happen while an observer is being called share its next call, so a slow
// observer delays no other. Only addresses of members are called.
package observer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/answer"
	"stasis/agency/leadership"
	"stasis/fsm"
	"stasis/internal/network"
)

const (
	// callTime bounds one call of an observer.
	callTime = 5 * time.Second
	// callsAtOnce is how many observers are called at the same time.
	callsAtOnce = 16
)

// Options say what is observed, and how observers are reached.
type Options struct {
	Network network.Network
	// Tree gives the state, and a channel that is closed some time after it has changed.
	Tree func() (state *fsm.State, changed <-chan struct{})
	// Agents are the endpoints of the agents as a leader sees them.
	Agents func(*leadership.Leadership) []string
	// Write applies a transaction of the leader's own, of so many bytes.
	Write  func(ctx context.Context, tx fsm.Transaction, bytes int) error
	Logger hclog.Logger
}

// callbacks are the calls of one leadership.
type callbacks struct {
	options    Options
	leadership *leadership.Leadership
	http       *http.Client
	places     chan struct{} // one for each call at a time
	calls      sync.WaitGroup

	mu      sync.Mutex
	pending fsm.Calls
	index   uint64          // up to which pending tells
	busy    map[string]bool // URLs that have a goroutine
	crowded bool            // the log has it
}

// Run calls observers until the leadership ends.
func Run(l *leadership.Leadership, o Options) {
	c := &callbacks{
		options: o, leadership: l, http: network.NewHTTPClient(o.Network), places: make(chan struct{}, callsAtOnce),
		pending: fsm.Calls{}, busy: map[string]bool{},
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer c.http.CloseIdleConnections()
	defer c.calls.Wait()
	state, changed := o.Tree()
	told := state.Index()
	for {
		select {
		case <-l.Lost():
			return
		case <-changed:
		}
		state, changed = o.Tree()
		c.note(state, told+1)
		told = state.Index()
	}
}

// note takes up the changes from an index on. Changes that the tree does not keep any more are
// not told.
func (c *callbacks) note(state *fsm.State, from uint64) {
	entries, _ := state.Log(max(from, state.FirstIndex()))
	if len(entries) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		state.Observed(e, c.pending)
	}
	c.index = state.Index()
	if len(c.pending) >= fsm.MostObservers && !c.crowded {
		c.crowded = true
		c.options.Logger.Warn("there are more observers than are told of changes at once", "told", fsm.MostObservers)
	}
	for _, url := range slices.Sorted(maps.Keys(c.pending)) { // in an order, so that runs can be repeated
		if !c.busy[url] {
			c.busy[url] = true
			c.calls.Go(func() { c.serve(url) })
		}
	}
}

// serve calls one observer until there is nothing more to tell it.
func (c *callbacks) serve(url string) {
	ctx := c.leadership.Context()
	for {
		select {
		case c.places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		body, paths := c.next(url)
		if body == nil {
			<-c.places
			return
		}
		state, _ := c.options.Tree()
		if why := Members(state, c.options.Agents(c.leadership)).Refuse(url); why != nil {
			<-c.places
			c.unregister(ctx, url, paths, why.Error())
			continue
		}
		status, err := c.call(ctx, url, body)
		<-c.places
		switch {
		case err != nil:
			c.options.Logger.Debug("observer not called", "url", url, "error", err)
		case status == http.StatusNotFound:
			c.unregister(ctx, url, paths, "it answered 404")
		}
	}
}

// next is the body of the next call and the paths that it is about, nil if there is nothing to
// tell.
func (c *callbacks) next(url string) (body []byte, paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pending := c.pending[url]
	delete(c.pending, url)
	if len(pending) == 0 {
		delete(c.busy, url)
		return nil, nil
	}
	all := map[string]any{"term": c.leadership.Term, "index": c.index}
	for path, changes := range pending {
		told := map[string]map[string]string{}
		for changed, name := range changes {
			told[changed] = map[string]string{"op": name}
		}
		all[path] = told
		paths = append(paths, path)
	}
	body, err := json.Marshal(all)
	if err != nil { // strings and numbers only
		body = []byte("{}")
	}
	return body, paths
}

// call makes one call.
func (c *callbacks) call(ctx context.Context, url string, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, callable(url), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("call observer: %w", err)
	}
	r.Header.Set("Content-Type", answer.JSONType)
	response, err := c.http.Do(r)
	if err != nil {
		return 0, fmt.Errorf("call observer: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	return response.StatusCode, response.Body.Close()
}

// unregister ends the registrations of a URL that is not called again: it answered that it does
// not want that, or it is no member's any more.
func (c *callbacks) unregister(ctx context.Context, url string, paths []string, why string) {
	operations := map[string]any{}
	for _, path := range paths {
		operations[path] = map[string]string{"op": "unobserve", "url": url}
	}
	raw, err := json.Marshal([]any{operations})
	var tx fsm.Transaction
	if err == nil {
		tx, err = fsm.ParseTransaction(raw)
	}
	if err == nil {
		err = c.options.Write(ctx, tx, len(raw))
	}
	if err != nil && ctx.Err() == nil {
		c.options.Logger.Warn("observer not unregistered", "url", url, "error", err)
		return
	}
	c.options.Logger.Info("observer unregistered", "url", url, "paths", paths, "why", why)
}
