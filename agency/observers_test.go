package agency

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/internal/network"
)

// listen runs a server at host:1 until the test ends.
func (c *cluster) listen(host string, h http.Handler) {
	c.t.Helper()
	s, err := network.NewServer(c.net.Host(host), h, network.ServerOptions{Address: host + ":1"})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, s.Shutdown(c.t.Context())) })
}

func observe(url string) string {
	raw, _ := json.Marshal([]any{[]any{map[string]any{"/a": map[string]any{"op": "observe", "url": url}}}}) // strings only
	return string(raw)
}

// TestStrangersCannotObserve: a client that has the leader call an address that is no member's is
// refused, with the reason, and nothing is registered or called; however the URL is written.
func TestStrangersCannotObserve(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, _ *watcher) {
		stranger := &watcher{status: 200}
		c.listen("stranger", stranger)
		leader := c.leader()
		before := c.agents[leader].tree.State()
		for url, reason := range map[string]string{
			"http://stranger:1/":            "no address of a member",
			"tcp://stranger:1":              "no address of a member",
			"http://watcher:2/":             "no address of a member",
			"http://watcher/":               "no address of a member",
			"http://stranger:1/watcher:1":   "no address of a member",
			"http://stranger:1?@watcher:1/": "no address of a member",
			"http://watcher:1@stranger:1/":  "has credentials",
			"http://me:pw@watcher:1/":       "has credentials",
			"http://watcher:1\\@stranger:1": "cannot be read",
			"file:///etc/passwd":            "scheme",
			"gopher://watcher:1/":           "scheme",
			"//watcher:1/":                  "scheme",
			"":                              "scheme",
			"http://":                       "no host",
			"http://:1/":                    "no host",
		} {
			for _, call := range []string{"write", "transact"} {
				r := c.ask(leader, call, observe(url))
				require.Equal(t, http.StatusForbidden, r.status, "%s: %s", url, r)
				require.Contains(t, r.body, reason, url)
			}
			require.Equal(t, http.StatusForbidden, c.ask(leader, "write", observe(url), "X-ArangoDB-Agency-Mode: noWait").status)
			require.Equal(t, http.StatusTemporaryRedirect, c.ask(c.others(leader)[0], "write", observe(url)).status, "a follower does not judge")
		}
		both := `[[{"/a/y":1}],[{"/a":{"op":"observe","url":"http://stranger:1/"}}]]`
		require.Equal(t, http.StatusForbidden, c.ask(leader, "write", both).status)
		require.Equal(t, before.Index(), c.agents[leader].tree.State().Index(), "nothing of it is applied")
		require.Equal(t, before.Observers(), c.agents[leader].tree.State().Observers())
		require.Equal(t, 200, c.ask(leader, "write", `[[{"/a/x":1}]]`).status)
		require.Empty(t, stranger.called())
	})
}

// TestMembersCanObserve: however they write their addresses, and agents too.
func TestMembersCanObserve(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, _ *watcher) {
		c.register("PRMR-6", "tcp://[0:0::1]:8530")
		c.register("PRMR-4", "tcp://10.0.0.1:80")
		for _, url := range []string{
			"http://watcher:1/x?y#z", "HTTP://WATCHER.:1/", "http+tcp://watcher:1/_api/agency/agency-callbacks/7",
			"http://[::1]:8530/", "http://10.0.0.1/", "http://[::ffff:10.0.0.1]:80", "http://a:1/", "tcp://b:1", "https://watcher:1/",
		} {
			r := c.ask(c.leader(), "write", observe(url))
			require.Equal(t, 200, r.status, "%s: %s", url, r)
		}
		require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"/a":{"op":"unobserve","url":"http://stranger:1/"}}]]`).status, "who leaves is not asked where it is")
	})
}

// TestObserverThatMoved: a callback at an address that is no member's any more, because
// the server has left or has registered at another one, is dropped and not called.
func TestObserverThatMoved(t *testing.T) {
	observed(t, func(t *testing.T, c *cluster, o *watcher) {
		leader := c.leader()
		moved := &watcher{status: 200}
		c.listen("moved", moved)
		c.ask(leader, "write", `[[{"/a/x":1}]]`)
		require.Len(t, o.called(), 1)
		c.register("CRDN-w", "tcp://moved:1")
		c.ask(leader, "write", `[[{"/a/x":2}]]`)
		require.Empty(t, o.called(), "a stranger is called")
		require.Empty(t, moved.called(), "it has not registered a callback there")
		require.NotContains(t, c.agents[leader].tree.State().Observers(), "/a")

		require.Equal(t, 200, c.ask(leader, "write", observe("http://moved:1/")).status)
		c.ask(leader, "write", `[[{"/a/x":3}]]`)
		require.Len(t, moved.called(), 1)
		c.ask(leader, "write", `[[{"`+keys.ServerRegistered("CRDN-w")+`":{"op":"delete"}}]]`)
		c.ask(leader, "write", `[[{"/a/x":4,"/b/c":1}]]`)
		require.Empty(t, moved.called())
		require.Empty(t, o.called())
		require.Empty(t, c.agents[leader].tree.State().Observers())
	})
}

// TestObserverCannotLeadTheAgencyOn: a redirect is not followed, and an answer without an
// end is not read to its end.
func TestObserverCannotLeadTheAgencyOn(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		stranger, endless, redirected := &watcher{status: 200}, make(chan struct{}, 10), make(chan struct{}, 10)
		c.listen("stranger", stranger)
		c.listen("member", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/redirect" {
				redirected <- struct{}{}
				http.Redirect(w, r, "http://stranger:1/", http.StatusTemporaryRedirect)
				return
			}
			for sent := 0; ; sent++ {
				if _, err := io.WriteString(w, "0123456789abcdef"); err != nil {
					require.Less(t, sent, 1<<20)
					endless <- struct{}{}
					return
				}
			}
		}))
		leader := c.leader()
		c.register("CRDN-m", "tcp://member:1")
		c.ask(leader, "write", observe("http://member:1/redirect"))
		c.ask(leader, "write", observe("http://member:1/endless"))
		c.ask(leader, "write", `[[{"/a/x":1}]]`)
		begun := time.Now()
		<-endless
		<-redirected
		require.Less(t, time.Since(begun), 5*time.Second, "it is not the time that ends it")
		require.Empty(t, stranger.called(), "a redirect is followed")
	})
}
