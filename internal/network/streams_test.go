package network

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/budget"
)

// The streams of one HTTP/2 connection are no way around the bound on connections: together
// they take of the pool for small requests what one connection may.
func testHTTPManyStreams(t *testing.T, w world) {
	const at = 60
	b := budget.New(100 << 20)
	holding, release := make(chan struct{}, at), make(chan struct{})
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			holding <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(rw, "ok")
	}, ServerOptions{Limits: Limits{Budget: b}})
	clients := w.clients(t)
	two := clients["HTTP/2.0"]
	_, err := post(t.Context(), two, s.URL(), nil)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			if _, err := post(t.Context(), two, s.URL()+"/hold", nil); err != nil {
				t.Errorf("one of many streams: %v", err)
			}
		})
	}
	for range at {
		<-holding
	}
	held := use(b)
	_, err = post(t.Context(), clients["HTTP/1.1"], s.URL(), nil)
	close(release)
	all.Wait()
	require.NoError(t, err)
	open, _ := s.conns.count()
	require.LessOrEqual(t, open, 2, "the streams share a connection, or the test proves nothing")
	require.LessOrEqual(t, held["small"].Held, int64(budget.SmallBytes), "streams of one connection fill the pool for small requests")
	require.Positive(t, held["small"].Held)
	require.Greater(t, held["large"].Held, held["small"].Held, "they are counted")
	require.NoError(t, s.Shutdown(t.Context()))
	for name, u := range use(b) {
		require.Zero(t, u.Held, name)
	}
}

// A long header is counted, and makes a request a large one.
func TestHeadersAreCounted(t *testing.T) {
	b := budget.New(100 << 20)
	w := world{server: TCP(), client: TCP(), address: "127.0.0.1:0"}
	var held int64
	s := w.serve(t, func(_ http.ResponseWriter, r *http.Request) { held = budget.Of(r.Context()).Held() }, ServerOptions{Limits: Limits{Budget: b}})
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL(), nil)
	require.NoError(t, err)
	request.Header.Set("X-Long", strings.Repeat("x", 40<<10))
	resp, err := w.clients(t)["HTTP/1.1"].Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	require.GreaterOrEqual(t, held, int64(40<<10), "a long header is held, and not counted")
	require.Positive(t, use(b)["large"].Most)
}
