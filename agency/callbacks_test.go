package agency

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/network"
)

// observer is a server that is called back.
type watcher struct {
	mu     sync.Mutex
	bodies []string
	status int
	block  chan struct{} // if set, calls wait until it is closed
}

func (o *watcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // the caller may be gone
	o.mu.Lock()
	block, status := o.block, o.status
	o.bodies = append(o.bodies, string(body))
	o.mu.Unlock()
	if block != nil {
		<-block
	}
	w.WriteHeader(status)
}

// called gives the calls since it was asked last.
func (o *watcher) called() []string {
	time.Sleep(time.Second)
	o.mu.Lock()
	defer o.mu.Unlock()
	bodies := o.bodies
	o.bodies = nil
	return bodies
}

func (o *watcher) answer(status int, block chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.status, o.block = status, block
}

// register writes what a server writes that joins the cluster.
func (c *cluster) register(id, endpoint string) {
	c.t.Helper()
	raw, err := json.Marshal([]any{[]any{map[string]any{keys.ServerRegistered(id): keys.Registered{Endpoint: endpoint, AdvertisedEndpoint: endpoint}}}})
	require.NoError(c.t, err)
	require.Equal(c.t, 200, c.ask(c.leader(), "write", string(raw)).status)
}

func observed(t *testing.T, test func(*testing.T, *cluster, *watcher)) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		o := &watcher{status: 200}
		s, err := network.NewServer(c.net.Host("watcher"), o, network.ServerOptions{Address: "watcher:1"})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Shutdown(context.Background())) }()
		c.register("CRDN-w", "tcp://watcher:1")
		c.ask(c.leader(), "write", `[[{"/a":{"op":"observe","url":"http://watcher:1/cb"},"/b/c":{"op":"observe","url":"tcp://watcher:1/other"}}]]`)
		require.Empty(t, o.called())
		test(t, c, o)
	})
}

// TestObserversAreCalled: by the agent that leads, for what was changed at,
// above or below the path, until they unregister.
func TestObserversAreCalled(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, o *watcher) {
		leader := c.leader()
		c.ask(leader, "write", `[[{"/a/x":1,"z":2}]]`)
		require.JSONEq(t, `{"term":2,"index":3,"/a":{"/a/x":{"op":"set"}}}`, o.called()[0])
		c.ask(leader, "write", `[[{"/z":1,"/ab":{"op":"delete"}}],[{"/a":1},{"a":"no"}]]`)
		require.Empty(t, o.called(), "it has no observer, or it was not applied")
		c.ask(leader, "write", `[[{"/a":{"op":"delete"},"/b":{"op":"delete"}}]]`)
		require.Len(t, o.called(), 2, "two urls")

		c.kill(leader)
		leader = c.leader()
		c.ask(leader, "write", `[[{"/a":{"op":"push","new":1}}]]`)
		calls := o.called()
		require.Len(t, calls, 1)
		require.Contains(t, calls[0], `"/a":{"/a":{"op":"push"}}`)
		c.ask(leader, "write", `[[{"/a":{"op":"unobserve","url":"http://watcher:1/cb"}}],[{"/a":2}]]`)
		require.Empty(t, o.called())
	})
}

// TestObserverIsUnregistered: who answers 404 is not called again.
func TestObserverIsUnregistered(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, o *watcher) {
		leader := c.leader()
		o.answer(500, nil)
		c.ask(leader, "write", `[[{"/a":1}]]`)
		require.Len(t, o.called(), 1, "an error does not unregister, and is not repeated")
		o.answer(404, nil)
		c.ask(leader, "write", `[[{"/a":2}]]`)
		require.Len(t, o.called(), 1)
		o.answer(200, nil)
		c.ask(leader, "write", `[[{"/a":3}]]`)
		require.Empty(t, o.called())
		require.Equal(t, map[string][]string{"/b/c": {"tcp://watcher:1/other"}}, c.agents[leader].tree.State().Observers())
		c.ask(leader, "write", `[[{"/b":3}]]`)
		require.Len(t, o.called(), 1, "the other url")
	})
}

// TestSlowObserver: an observer that does not answer delays no other; what happens meanwhile is told
// by one call; and the leadership ends while it hangs.
func TestSlowObserver(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, o *watcher) {
		leader := c.leader()
		block := make(chan struct{})
		o.answer(200, block)
		begin := time.Now()
		const each = 10 // pairs in a request
		pairs := `[` + strings.Repeat(`[{"/a/x":{"op":"increment"}}],[{"/a/y":1}],`, each-1) + `[{"/a/x":{"op":"increment"}}],[{"/a/y":1}]]`
		for range 2 * fsm.MostChanges / each {
			c.ask(leader, "write", pairs)
		}
		require.Less(t, time.Since(begin), 500*time.Millisecond)
		require.Len(t, o.called(), 1)
		o.answer(200, nil)
		close(block)
		calls := o.called()
		require.Len(t, calls, 1)
		require.JSONEq(t, `{"term":2,"index":4002,"/a":{"/a/x":{"op":"increment"},"/a/y":{"op":"set"}}}`, calls[0])

		block = make(chan struct{})
		o.answer(200, block)
		c.ask(leader, "write", `[[{"/b/c":1}]]`)
		synctest.Wait()
		c.kill(leader)
		close(block)
		c.leader()
	})
}
