package network

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/budget"
)

// open connects and sends the beginning of a request.
func (w world) open(t *testing.T, s *Server, text string) net.Conn {
	t.Helper()
	conn, err := w.client.DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // some tests have closed it
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

func use(b *budget.Budget) map[string]budget.Use {
	m := map[string]budget.Use{}
	for _, u := range b.Read() {
		m[u.Pool] = u
	}
	return m
}

// A body of which a byte comes now and then is cut, however long it goes on, and its
// connection with it.
func testHTTPTrickledBody(t *testing.T, w world) {
	stall := w.moment
	failed := make(chan error, 1)
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
		apierror.Write(rw, BodyError(err))
	}, ServerOptions{StallTimeout: stall, Limits: Limits{LeastRate: 1000}})
	conn := w.open(t, s, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
	ended := make(chan struct{})
	var trickling sync.WaitGroup
	trickling.Go(func() {
		for range 1000 {
			select {
			case <-ended:
				return
			case <-time.After(stall / 10):
				_, _ = conn.Write([]byte("x")) // may be closed by then
			}
		}
	})
	err := <-failed
	require.ErrorIs(t, err, apierror.RequestTimeout)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	_, err = answers.ReadByte()
	require.Error(t, err, "what comes after a body that was cut is no request")
	close(ended)
	trickling.Wait()
}

// A client that does not take its answer loses it, and the handler ends.
func testHTTPUnreadAnswer(t *testing.T, w world) {
	b := budget.New(400 << 20)
	written := make(chan error, 2)
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		text := make([]byte, 24<<20) // more than the buffers of any connection
		if err := budget.Of(r.Context()).Take(int64(len(text))); err != nil {
			written <- err
			return
		}
		_, err := rw.Write(text)
		written <- err
	}, ServerOptions{StallTimeout: w.moment, Limits: Limits{Budget: b}})
	w.open(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.ErrorIs(t, <-written, os.ErrDeadlineExceeded)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
	require.NoError(t, err)
	resp, err := w.clients(t)["HTTP/2.0"].Do(request) // its answer is never read
	require.NoError(t, err)
	require.Error(t, <-written)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, s.Shutdown(t.Context()))
	require.GreaterOrEqual(t, use(b)["large"].Most, int64(24<<20), "the answer was counted")
	for name, u := range use(b) {
		require.Zero(t, u.Held, name)
	}
}

// Connections that do nothing make room for one that does.
func testHTTPConnectionsBounded(t *testing.T, w world) {
	const most = 5
	s := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, "ok")
	}, ServerOptions{Limits: Limits{Connections: most}})
	ask := func(conn net.Conn) error {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(resp.Body)
		return err
	}
	served := w.open(t, s, "")
	require.NoError(t, ask(served))
	var silent []net.Conn
	for range 3 * most {
		silent = append(silent, w.open(t, s, ""))
	}
	// The first ones have had to go, and one that asks is not kept out by them.
	_, err := silent[0].Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, ask(served), "one that was of use stays")
	for _, client := range w.clients(t) {
		_, err := post(t.Context(), client, s.URL(), nil)
		require.NoError(t, err)
	}
	open, evicted := s.conns.count()
	require.LessOrEqual(t, open, most)
	require.GreaterOrEqual(t, evicted, uint64(2*most))
}

// When the budget is used up, requests are refused, told when to try again, and served
// when there is room again. Peers have their own.
func testHTTPBudget(t *testing.T, w world) {
	b := budget.New(10 << 20)
	holding, release := make(chan struct{}), make(chan struct{})
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		raw, err := budget.ReadAll(budget.Of(r.Context()), r.Body, 1<<30, r.ContentLength)
		if err != nil {
			apierror.Write(rw, BodyError(err))
			return
		}
		if r.URL.Path == "/hold" {
			holding <- struct{}{}
			<-release
		}
		_, _ = fmt.Fprint(rw, len(raw))
	}, ServerOptions{Limits: Limits{Budget: b}, Class: func(r *http.Request) budget.Class {
		if r.URL.Path == "/peer" {
			return budget.Peer
		}
		return budget.Client
	}})
	for proto, client := range w.clients(t) {
		send := func(path string, n int) (int, http.Header) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, bytes.NewReader(make([]byte, n)))
			require.NoError(t, err)
			resp, err := client.Do(request)
			require.NoError(t, err, proto)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, errors.Join(err, resp.Body.Close()))
			return resp.StatusCode, resp.Header
		}
		held := make(chan error, 1)
		go func() {
			answer, err := post(t.Context(), client, s.URL()+"/hold", bytes.NewReader(make([]byte, 3<<20)))
			held <- errors.Join(err, func() error {
				if answer != fmt.Sprint(3<<20) {
					return errors.New(answer)
				}
				return nil
			}())
		}()
		<-holding
		status, header := send("/", 3<<20)
		require.Equal(t, http.StatusServiceUnavailable, status, proto)
		require.Equal(t, "1", header.Get("Retry-After"), proto)
		status, _ = send("/", 1<<10)
		require.Equal(t, http.StatusOK, status, "%s: a small request goes on", proto)
		status, _ = send("/peer", 1<<20)
		require.Equal(t, http.StatusOK, status, "%s: servers go on", proto)
		status, _ = send("/", 30<<20)
		require.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: this will never fit", proto)
		release <- struct{}{}
		require.NoError(t, <-held)
		status, _ = send("/", 3<<20)
		require.Equal(t, http.StatusOK, status, proto)
	}
	require.NoError(t, s.Shutdown(t.Context()))
	for name, u := range use(b) {
		require.Zero(t, u.Held, name)
	}
}

// 300 bodies that hardly move hold little, end soon, and keep no other client out meanwhile.
func TestSlowBodiesEnd(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		w := world{server: m.Host("server"), client: m.Host("client"), address: "server:0"}
		b := budget.New(64 << 20)
		cut := make(chan error, 300)
		s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
			raw, err := budget.ReadAll(budget.Of(r.Context()), r.Body, 1<<30, r.ContentLength)
			if err != nil {
				cut <- err
				apierror.Write(rw, BodyError(err))
				return
			}
			_, _ = fmt.Fprint(rw, len(raw))
		}, ServerOptions{Limits: Limits{Budget: b}})
		begun := time.Now()
		stop := make(chan struct{})
		var slow sync.WaitGroup
		defer func() { // also when an assertion fails: the bubble has to end
			select {
			case <-stop:
			default:
				close(stop)
			}
			slow.Wait()
			_ = m.Close() // closed at the end of a test that passes
			_ = s.Shutdown(context.Background())
			<-time.After(time.Minute) // net/http lingers on connections that it closes
		}()
		for range cap(cut) {
			conn := w.open(t, s, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n")
			slow.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Second):
						if _, err := conn.Write(make([]byte, 100)); err != nil {
							return
						}
					}
				}
			})
		}
		client := w.clients(t)["HTTP/1.1"]
		synctest.Wait()
		require.Less(t, use(b)["small"].Held+use(b)["large"].Held, int64(300*budget.SmallBytes))
		served := 0
		for len(cut) < cap(cut) && time.Since(begun) < 5*time.Minute {
			answer, err := post(t.Context(), client, s.URL(), bytes.NewReader(make([]byte, 100<<10)))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(100<<10), answer)
			served++
			<-time.After(time.Second)
		}
		require.Len(t, cut, cap(cut), "a body that hardly moves is waited for")
		require.Less(t, time.Since(begun), time.Minute, "slow bodies end")
		require.Greater(t, served, 20)
		close(stop)
		slow.Wait()
		synctest.Wait()
		for name, u := range use(b) {
			require.Zero(t, u.Held, name)
		}
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, m.Close())
	})
}

// A client that takes its answer slowly, but takes it, gets it whole.
func TestSlowReaderGetsItsAnswer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		w := world{server: m.Host("server"), client: m.Host("client"), address: "server:0"}
		s := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write(make([]byte, 4<<20))
		}, ServerOptions{})
		m.Throttle("server", "client", 4<<10) // 64 KiB in 16 s
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			begun := time.Now()
			answer, err := post(t.Context(), w.clients(t)[proto], s.URL(), nil)
			require.NoError(t, err, proto)
			require.Len(t, answer, 4<<20, proto)
			require.Greater(t, time.Since(begun), 10*time.Minute, proto)
		}
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, m.Close())
	})
}
