package client

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// Writes are numbered, and say which of them have ended; reads have no number.
func TestWritesAreNumbered(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	slow, reached := make(chan struct{}), make(chan struct{})
	c, to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.Header.Get(WriteHeader)
		mu.Lock()
		seen[name]++
		mu.Unlock()
		if name == "s1 1 1" {
			close(reached)
			<-slow
		}
		_, _ = w.Write([]byte("{}"))
	})
	truncate := func() { require.NoError(t, c.Truncate(t.Context(), to, "s1", TruncateRequest{})) }
	var first sync.WaitGroup
	first.Go(truncate)
	<-reached
	truncate()
	close(slow)
	first.Wait()
	truncate()
	_, err := c.Documents(t.Context(), to, "s1", DocumentsRequest{Ops: []Op{{Kind: OpRead, Key: "k"}}})
	require.NoError(t, err)
	_, err = c.Documents(t.Context(), to, "s1", DocumentsRequest{Ops: []Op{{Kind: OpRead, Key: "k"}, {Kind: OpRemove, Key: "k"}}})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"s1 1 1": 1, "s1 2 1": 1, "s1 3 3": 1, "": 1, "s1 4 4": 1}, seen)
}

// A write that is refused because its session is not known is sent in another one; when that does not help
// it was not done.
func TestSessionIsOpenedAgain(t *testing.T) {
	var names []string
	known := "s2"
	c, to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, err := ParseWrite(r.Header.Get(WriteHeader))
		if names = append(names, name.String()); err != nil || name.Session != known {
			apierror.Write(w, apierror.New(apierror.SessionUnknown, "not known"))
			return
		}
		_, _ = w.Write([]byte("{}"))
	})
	require.NoError(t, c.Truncate(t.Context(), to, "s1", TruncateRequest{}))
	require.Equal(t, []string{"s1 1 1", "s2 1 1"}, names)
	known = "none"
	err := c.Truncate(t.Context(), to, "s1", TruncateRequest{})
	require.ErrorIs(t, err, ErrNotSent)
	require.Len(t, names, 2+sessionTries)
}

// Without a session the write was not sent; a refusal of the server is passed on.
func TestNoSession(t *testing.T) {
	refusing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		apierror.Write(w, apierror.New(apierror.ResourceLimit, "no memory"))
	})
	c, to := serveAll(t, refusing)
	err := c.Truncate(t.Context(), to, "s1", TruncateRequest{})
	require.ErrorIs(t, err, apierror.ResourceLimit)
	c, to = serveAll(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	err = c.Truncate(t.Context(), to, "s1", TruncateRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.ErrorIs(t, err, ErrNotSent)
}

// panics is a transport that panics once, when all wait that will.
type panics struct {
	http.RoundTripper
	first sync.Once
	wait  func()
}

func (p *panics) RoundTrip(r *http.Request) (*http.Response, error) {
	p.first.Do(func() {
		p.wait()
		panic("the transport is broken")
	})
	return p.RoundTripper.RoundTrip(r)
}

// The goroutine that opens a session panics: one of those that wait for it opens another.
func TestSessionWhoseOpeningPanics(t *testing.T) {
	c, to := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	reached, goOn := make(chan struct{}), make(chan struct{})
	c.http.Transport = &panics{RoundTripper: c.http.Transport, wait: func() { close(reached); <-goOn }}
	var all sync.WaitGroup
	all.Go(func() {
		require.Panics(t, func() { _ = c.Truncate(t.Context(), to, "s1", TruncateRequest{}) })
	})
	<-reached
	for range 3 {
		all.Go(func() { require.NoError(t, c.Truncate(t.Context(), to, "s1", TruncateRequest{})) })
	}
	close(goOn)
	all.Wait()
}
