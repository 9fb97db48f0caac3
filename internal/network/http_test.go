package network

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (w world) serve(t *testing.T, h http.HandlerFunc, o ServerOptions) *Server {
	t.Helper()
	o.Address = w.address
	s, err := NewServer(w.server, h, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.Background())) })
	return s
}

// clients gives one client per protocol, closed at the end.
func (w world) clients(t *testing.T) map[string]*http.Client {
	t.Helper()
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	second := transport(w.client)
	second.Protocols = &h2c
	one, two := NewHTTPClient(w.client), &http.Client{Transport: roundTripper(w.client, second)}
	t.Cleanup(one.CloseIdleConnections)
	t.Cleanup(two.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1.1": one, "HTTP/2.0": two}
}

func post(ctx context.Context, c *http.Client, url string, body io.Reader) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	return string(answer), err
}

// Both protocols on one port, bodies larger than any buffer, many at once.
func testHTTP(t *testing.T, w world) {
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintf(rw, "%s %s %d", r.Proto, r.URL.Path, len(body))
	}, ServerOptions{})
	require.Equal(t, "http://"+s.Addr(), s.URL())
	for proto, client := range w.clients(t) {
		var wg sync.WaitGroup
		results := make(chan string, 20)
		for i := range cap(results) {
			wg.Go(func() {
				answer, err := post(t.Context(), client, s.URL()+"/x", bytes.NewReader(make([]byte, i<<16)))
				results <- fmt.Sprint(answer, err == nil, answer == fmt.Sprintf("%s /x %d", proto, i<<16))
			})
		}
		wg.Wait()
		for range cap(results) {
			require.Contains(t, <-results, "true true", proto)
		}
	}
}

func testHTTPConnectionsAreReused(t *testing.T, w world) {
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, r.RemoteAddr)
	}, ServerOptions{})
	for proto, client := range w.clients(t) {
		first, err := post(t.Context(), client, s.URL(), nil)
		require.NoError(t, err)
		for range 5 {
			again, err := post(t.Context(), client, s.URL(), nil)
			require.NoError(t, err)
			require.Equal(t, first, again, proto)
		}
	}
}

// A client that stops in the middle of its body does not hold a handler for ever;
// one that is slow but no slower than the least rate is served, however long it takes.
func testHTTPStalledBody(t *testing.T, w world) {
	stall := w.moment
	failed := make(chan error, 1)
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			failed <- err
			return
		}
		_, _ = rw.Write(body)
	}, ServerOptions{StallTimeout: stall, Limits: Limits{LeastRate: 64}})

	conn, err := w.client.DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
	require.NoError(t, err)
	requireTimeout(t, <-failed)

	for proto, client := range w.clients(t) {
		slow, feed := io.Pipe()
		go func() {
			for range 24 { // three stalls in all, with a pause far below one
				_, _ = feed.Write(bytes.Repeat([]byte("x"), 64)) // it fails when the request has ended, which its answer tells
				<-time.After(stall / 8)
			}
			_ = feed.Close() // a pipe's Close has no error
		}()
		answer, err := post(t.Context(), client, s.URL(), slow)
		require.NoError(t, err, proto)
		require.Equal(t, strings.Repeat("x", 24*64), answer, proto)
	}
}

// A stream's handler reads and answers at the same time, in every protocol. One whose next
// bytes do not come in time is told so, and the answer does not wait for its end.
func testHTTPStream(t *testing.T, w world) {
	stall := w.moment
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		if err := Stream(rw, r, stall); err != nil {
			panic(err)
		}
		part := make([]byte, 1)
		for {
			if _, err := r.Body.Read(part); err != nil || part[0] == '.' {
				_, _ = fmt.Fprint(rw, "end")
				return
			}
			_, _ = rw.Write(part)
			_ = http.NewResponseController(rw).Flush()
		}
	}, ServerOptions{})
	for proto, client := range w.clients(t) {
		for _, last := range []string{".", ""} {
			out, feed := io.Pipe()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), out)
			require.NoError(t, err)
			go func() { _, _ = feed.Write([]byte("a")) }()
			response, err := client.Do(request)
			require.NoError(t, err, proto)
			part := make([]byte, 1)
			_, err = io.ReadFull(response.Body, part)
			require.NoError(t, err, proto)
			require.Equal(t, "a", string(part), "before the request has ended")
			if last != "" {
				go func() { _, _ = feed.Write([]byte(last)) }()
			}
			rest, err := io.ReadAll(response.Body)
			if last != "" { // a body that stalls may take its connection with it
				require.NoError(t, err, proto)
				require.Equal(t, "end", string(rest), proto)
			}
			require.NoError(t, response.Body.Close())
			_ = feed.Close() // a pipe's Close has no error
		}
	}
}

// A handler may take longer than the stall time between two reads of its body,
// and after them.
func testHTTPSlowHandler(t *testing.T, w world) {
	stall := w.moment
	s := w.serve(t, func(rw http.ResponseWriter, r *http.Request) {
		first := make([]byte, 1)
		_, err := io.ReadFull(r.Body, first)
		<-time.After(3 * stall)
		rest, rerr := io.ReadAll(r.Body)
		select {
		case <-time.After(3 * stall):
			_, _ = fmt.Fprint(rw, len(first)+len(rest), err, rerr)
		case <-r.Context().Done():
			_, _ = io.WriteString(rw, "cut off")
		}
	}, ServerOptions{StallTimeout: stall})
	for proto, client := range w.clients(t) {
		answer, err := post(t.Context(), client, s.URL(), bytes.NewReader(make([]byte, 3<<20)))
		require.NoError(t, err, proto)
		require.Equal(t, fmt.Sprint(3<<20, nil, nil), answer, proto)
	}
}

// A client that sends all of its body before it looks for an answer gets the answer
// of a handler that does not want the body, and keeps its connection.
func testHTTPRefusedBody(t *testing.T, w world) {
	s := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(rw, "no such thing")
	}, ServerOptions{})
	body := make([]byte, 8<<20)
	for proto, client := range w.clients(t) {
		answer, err := post(t.Context(), client, s.URL(), bytes.NewReader(body))
		require.NoError(t, err, proto)
		require.Equal(t, "no such thing", answer, proto)
	}
	conn, err := w.client.DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	answers := bufio.NewReader(conn)
	for range 2 {
		_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body))
		require.NoError(t, err)
		_, err = conn.Write(body)
		require.NoError(t, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "404 no such thing", fmt.Sprintf("%d %s", resp.StatusCode, answer))
	}
}

func testHTTPShutdownLetsFinish(t *testing.T, w world) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		started, finish := make(chan struct{}), make(chan struct{})
		s := w.serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			close(started)
			<-finish
			_, _ = rw.Write(bytes.Repeat([]byte("finished"), 1<<16))
		}, ServerOptions{})
		client := w.clients(t)[proto]
		answer := make(chan string, 1)
		go func() {
			a, err := post(t.Context(), client, s.URL(), nil)
			answer <- fmt.Sprint(len(a), err)
		}()
		<-started
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(t.Context()) }()
		for { // until the shutdown has begun
			c, err := w.client.DialContext(t.Context(), "tcp", s.Addr())
			if err != nil {
				break
			}
			require.NoError(t, c.Close())
		}
		close(finish)
		require.Equal(t, fmt.Sprint(8<<16, nil), <-answer, proto)
		require.NoError(t, <-down, proto)
		require.NoError(t, s.Shutdown(t.Context()), "again is harmless")
	}
}

// A handler that only ends with its context does not keep the server up.
func testHTTPShutdownIsBounded(t *testing.T, w world) {
	const grace = 30 * time.Millisecond
	ended := make(chan struct{})
	started := make(chan struct{})
	s := w.serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	}, ServerOptions{Grace: grace})
	client := w.clients(t)["HTTP/1.1"]
	answered := make(chan error, 1)
	go func() {
		// The body is not read: only the server itself can end the context.
		_, err := post(t.Context(), client, s.URL(), bytes.NewReader(make([]byte, 1<<10)))
		answered <- err
	}()
	<-started
	begun := time.Now()
	require.NoError(t, s.Shutdown(t.Context()))
	require.GreaterOrEqual(t, time.Since(begun), grace)
	require.Less(t, time.Since(begun), grace+time.Minute)
	select {
	case <-ended:
	default:
		t.Fatal("Shutdown returned while a handler was running")
	}
	<-answered // with what the handler said at its end, or cut off
}

func testHTTPServerTellsItDied(t *testing.T, w world) {
	l := w.listen(t)
	s := ServeListener(l, http.NotFoundHandler(), ServerOptions{})
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-s.Err(), net.ErrClosed)
	require.NoError(t, s.Shutdown(t.Context()))
}

// A handler that ignores its context is reported, not waited for without end.
func TestShutdownReportsHandlerThatDoesNotEnd(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{})
	s, err := NewServer(TCP(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(started)
		<-release
	}), ServerOptions{Address: "127.0.0.1:0", Grace: 10 * time.Millisecond})
	require.NoError(t, err)
	conn, err := TCP().DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	<-started
	require.ErrorContains(t, s.Shutdown(t.Context()), "still running")
	close(release)
	require.NoError(t, s.Shutdown(t.Context()))
	_, err = bufio.NewReader(conn).ReadByte()
	require.Error(t, err)
	require.NoError(t, conn.Close())
}

func TestServerOnAddressInUse(t *testing.T) {
	l, err := TCP().Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = NewServer(TCP(), http.NotFoundHandler(), ServerOptions{Address: l.Addr().String()})
	require.ErrorContains(t, err, "listen on "+l.Addr().String())
}
