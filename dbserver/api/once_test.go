package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// counted counts what it does. A write waits for gate if there is one.
type counted struct {
	mu    sync.Mutex
	done  int
	begun chan struct{}
	gate  chan struct{}
	text  string
}

func (c *counted) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	c.done++
	n := c.done
	c.mu.Unlock()
	if c.begun != nil {
		c.begun <- struct{}{}
		<-c.gate
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprint(w, n, c.text) // into memory
}

func ask(ctx context.Context, h http.HandlerFunc, w dbclient.Write) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	r.Header.Set(dbclient.WriteHeader, w.String())
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

func numOf(t *testing.T, w *httptest.ResponseRecorder) apierror.Num {
	t.Helper()
	return apierror.From(apierror.FromResponse(w.Result())).Num
}

// A copy that arrives while the write is in progress waits for it, and gets its answer.
func TestCopyWaitsForTheWrite(t *testing.T) {
	m, c := newSessions(), &counted{begun: make(chan struct{}), gate: make(chan struct{})}
	h, name := m.once(c.ServeHTTP), dbclient.Write{Session: m.open(), Number: 1, Oldest: 1}
	answers := make(chan *httptest.ResponseRecorder, 3)
	var all sync.WaitGroup
	all.Go(func() { answers <- ask(t.Context(), h, name) })
	<-c.begun
	for range 2 {
		all.Go(func() { answers <- ask(t.Context(), h, name) })
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, apierror.ConnectionLost, numOf(t, ask(gone, h, name)), "who does not wait is told that the outcome is unknown")
	close(c.gate)
	all.Wait()
	for range 3 {
		got := <-answers
		require.Equal(t, http.StatusAccepted, got.Code)
		require.Equal(t, "1", got.Body.String())
	}
	require.Equal(t, 1, c.done)
}

// What has no answer that can be given again is not done again either.
func TestCopyWithoutAnswer(t *testing.T) {
	for what, next := range map[string]http.HandlerFunc{
		"large": (&counted{text: strings.Repeat("x", maxAnswer)}).ServeHTTP,
		"panic": func(http.ResponseWriter, *http.Request) { panic("at the end") },
	} {
		m, done := newSessions(), 0
		h := m.once(func(w http.ResponseWriter, r *http.Request) {
			done++
			next(w, r)
		})
		name := dbclient.Write{Session: m.open(), Number: 1, Oldest: 1}
		func() {
			defer func() { _ = recover() }() // the handler's
			ask(t.Context(), h, name)
		}()
		require.Equal(t, apierror.ConnectionLost, numOf(t, ask(t.Context(), h, name)), what)
		require.Equal(t, 1, done, what)
	}
}

// A copy that has waited for a write whose answer was forgotten at that moment gets no part of the answer.
func TestCopyOfWhatWasJustForgotten(t *testing.T) {
	m := newSessions()
	name := dbclient.Write{Session: m.open(), Number: 1, Oldest: 1}
	a, first, err := m.arrive(name)
	require.NoError(t, err)
	require.True(t, first)
	m.end(name, a, answer{status: http.StatusOK, body: []byte("{}")})
	_, _, err = m.arrive(dbclient.Write{Session: name.Session, Number: 2, Oldest: 2})
	require.NoError(t, err)
	out := httptest.NewRecorder()
	m.again(t.Context(), out, a)
	require.Equal(t, apierror.ConnectionLost, numOf(t, out))
}

// What is not remembered any more is not done: not below what the client waits for, and not in a session
// that is not known.
func TestLateCopyIsRefused(t *testing.T) {
	m, c := newSessions(), &counted{}
	h, s := m.once(c.ServeHTTP), m.open()
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h, dbclient.Write{Session: s, Number: 1, Oldest: 1}).Code)
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h, dbclient.Write{Session: s, Number: 3, Oldest: 2}).Code)
	require.Equal(t, apierror.ConnectionLost, numOf(t, ask(t.Context(), h, dbclient.Write{Session: s, Number: 1, Oldest: 1})), "it is done a second time")
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h, dbclient.Write{Session: s, Number: 2, Oldest: 2}).Code, "it only came after a later one")
	require.Equal(t, apierror.SessionUnknown, numOf(t, ask(t.Context(), h, dbclient.Write{Session: "another", Number: 1, Oldest: 1})))
	require.Equal(t, 3, c.done)
	for _, text := range []string{"x", s + " 1 2", s + " 1 0", s + " a b", s + " 1"} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set(dbclient.WriteHeader, text)
		out := httptest.NewRecorder()
		h(out, r)
		require.Equal(t, apierror.BadParameter, numOf(t, out), text)
	}
	require.Equal(t, 3, c.done)
}

// The memory of writes is bounded, whatever clients say; what falls out of it is refused, not done.
func TestRememberedIsBounded(t *testing.T) {
	m, c := newSessions(), &counted{text: strings.Repeat("x", 10<<10)}
	h, first := m.once(c.ServeHTTP), m.open()
	const most = maxOfSession + 10
	for n := uint64(1); n <= most; n++ { // the first never ends
		_, is, err := m.arrive(dbclient.Write{Session: first, Number: n, Oldest: 1})
		require.NoError(t, err)
		require.True(t, is)
	}
	require.Len(t, m.all[first].writes, maxOfSession)
	require.Equal(t, apierror.ConnectionLost, numOf(t, ask(t.Context(), h, dbclient.Write{Session: first, Number: 1, Oldest: 1})))
	require.Zero(t, c.done)
	for n := uint64(1); n < 2000; n++ {
		ask(t.Context(), h, dbclient.Write{Session: first, Number: most + n, Oldest: 1})
	}
	require.LessOrEqual(t, m.bytes, maxAnswers)
	require.Greater(t, m.bytes, maxAnswers/2)
	for range maxSessions { // others come, and it is not used
		m.open()
	}
	require.Len(t, m.all, maxSessions)
	require.Equal(t, apierror.SessionUnknown, numOf(t, ask(t.Context(), h, dbclient.Write{Session: first, Number: most + 1, Oldest: 1})))
	require.Zero(t, m.bytes)
	require.Zero(t, m.remembered)

	s := m.open() // a number from far away
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h, dbclient.Write{Session: s, Number: 1 << 60, Oldest: 1}).Code)
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h, dbclient.Write{Session: s, Number: 1<<60 + 1, Oldest: 1<<60 + 1}).Code)
	require.Len(t, m.all[s].writes, 1)
}

// A write that was refused for want of memory is refused again when a copy of it comes: its client may have sent it again,
// under another number, meanwhile.
func TestWriteRefusedForMemoryIsNotDoneLater(t *testing.T) {
	h, c := &Handler{writes: newSessions()}, &counted{}
	name := dbclient.Write{Session: h.writes.open(), Number: 1, Oldest: 1}
	refuse := func(w http.ResponseWriter, r *http.Request) {
		h.Refuse(w, r, apierror.New(apierror.ResourceLimit, "no memory"))
	}
	require.Equal(t, apierror.ResourceLimit, numOf(t, ask(t.Context(), refuse, name)))
	again := ask(t.Context(), h.writes.once(c.ServeHTTP), name)
	require.Zero(t, c.done, "a write that was refused is not remembered")
	require.Equal(t, apierror.ResourceLimit, numOf(t, again))

	next := dbclient.Write{Session: name.Session, Number: 2, Oldest: 2}
	require.Equal(t, http.StatusAccepted, ask(t.Context(), h.writes.once(c.ServeHTTP), next).Code)
	require.Equal(t, http.StatusAccepted, ask(t.Context(), refuse, next).Code, "a copy gets the answer of the write")

	w := httptest.NewRecorder() // no write
	refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	require.Equal(t, apierror.ResourceLimit, numOf(t, w))
}
