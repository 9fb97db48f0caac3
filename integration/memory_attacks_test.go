//go:build linux

package integration

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/network"
)

// repeated is text that is sent again and again, up to a length.
func repeated(begin, part string, length int) io.Reader {
	return io.MultiReader(strings.NewReader(begin), io.LimitReader(&endless{text: []byte(strings.Repeat(part, 10_000))}, int64(length)))
}

type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

func zipped(t *testing.T, plain io.Reader) []byte {
	t.Helper()
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	require.NoError(t, err)
	_, err = io.Copy(zip, plain)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	return packed.Bytes()
}

// gzipBombs are 510 KB that become 510 MB. A file of gzip may have many parts: one is made,
// and repeated.
func gzipBombs(to func(*siege) string, begin, part string) func(*testing.T, *siege) map[int]int {
	return func(t *testing.T, s *siege) map[int]int {
		const parts = 510
		bomb := append(zipped(t, strings.NewReader(begin)), bytes.Repeat(zipped(t, strings.NewReader(strings.Repeat(part, (1<<20)/len(part)))), parts)...)
		require.Less(t, len(bomb), 600<<10)
		return s.together(t, scale(10, 20), to(s), "gzip", func() io.Reader { return bytes.NewReader(bomb) })
	}
}

func badDocuments(t *testing.T, s *siege) map[int]int {
	bad := zipped(t, io.MultiReader(repeated("[", "1,", 3_000_000), strings.NewReader("1]")))
	require.Less(t, len(bad), 40<<10)
	return s.together(t, 10, s.coord+"/_api/document/siege", "gzip", func() io.Reader { return bytes.NewReader(bad) })
}

// largeBodies are many bodies of 12 MB that become much more when they are decoded.
func largeBodies(to func(*siege) string, begin, part, end string) func(*testing.T, *siege) map[int]int {
	return func(t *testing.T, s *siege) map[int]int {
		return s.together(t, scale(16, 30), to(s), "", func() io.Reader {
			return io.MultiReader(repeated(begin, part, 12<<20/len(part)*len(part)), strings.NewReader(end))
		})
	}
}

func nestedBodies(t *testing.T, s *siege) map[int]int {
	got := map[int]int{}
	for _, url := range []string{s.coord + "/_api/document/siege", s.coord + "/_api/collection", s.dbserver + "/_stasis/v1/shards/s1/documents", s.agent + "/_api/agency/write", s.agent + "/_api/agency/read"} {
		for status, n := range s.together(t, 5, url, "", func() io.Reader { return repeated(`[{"a":`, "[", 20<<20) }) {
			got[status] += n
		}
	}
	return got
}

// slowBodies hold 300 connections to each server, with something already sent.
func slowBodies(t *testing.T, s *siege) map[int]int {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begin := bytes.Repeat([]byte(" "), 100<<10)
	for _, url := range []string{s.coord + "/_api/document/siege", s.dbserver + "/_stasis/v1/shards/s1/documents", s.agent + "/_api/agency/write"} {
		target, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
		require.NoError(t, err)
		for range 300 {
			conn, err := network.TCP().DialContext(ctx, "tcp", target.URL.Host)
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n%s", target.URL.Path, begin)
			require.NoError(t, err)
		}
	}
	before := s.served.Load()
	eventually(t, time.Minute, func() error {
		if n := s.served.Load(); n < before+20 {
			return fmt.Errorf("%d requests served beside slow bodies", n-before)
		}
		return nil
	})
	return nil
}

// unreadAnswers asks for 24 MB thirty times, and takes none of them. Beside them an
// answer is taken, and others are told to come back.
func unreadAnswers(t *testing.T, s *siege) map[int]int {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	text := `{"collection":"large","batchSize":1000}`
	target, err := http.NewRequestWithContext(ctx, http.MethodPut, s.coord, nil)
	require.NoError(t, err)
	var conns []net.Conn
	for range scale(30, 40) {
		conn, err := network.TCP().DialContext(ctx, "tcp", target.URL.Host)
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "PUT /_api/simple/all HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	got := map[int]int{}
	for _, conn := range conns {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		status := make([]byte, len("HTTP/1.1 200"))
		_, err := io.ReadFull(conn, status)
		require.NoError(t, err)
		n := 0
		_, err = fmt.Sscanf(string(status), "HTTP/1.1 %d", &n)
		require.NoError(t, err)
		got[n]++
	}
	require.Positive(t, got[http.StatusServiceUnavailable], "answers that are not read take memory: %v", got)
	return got
}

// longCursors leaves a thousand cursors behind; then others are read to the end.
func longCursors(t *testing.T, s *siege) map[int]int {
	all := func(more string) (status int, a struct {
		ID      string
		HasMore bool
	}) {
		status, _, raw, err := s.send(t.Context(), http.MethodPut, s.coord+"/_api/simple/all", strings.NewReader(`{"collection":"client"`+more+`}`), "")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &a))
		return status, a
	}
	require.NoError(t, s.db(0).Put(t.Context(), "client", map[string]any{"_key": "one"}))
	require.NoError(t, s.db(0).Put(t.Context(), "client", map[string]any{"_key": "another"}))
	got := map[int]int{}
	for range 1000 {
		status, a := all(`,"batchSize":1,"ttl":86400`)
		got[status]++
		require.True(t, a.HasMore || status != http.StatusCreated)
	}
	read := 0
	require.NoError(t, s.db(0).Documents(t.Context(), "client", func(json.RawMessage) error { read++; return nil }))
	require.GreaterOrEqual(t, read, 2)
	return got
}

// sameDocument asks for gigabytes in a few kilobytes.
func sameDocument(t *testing.T, s *siege) map[int]int {
	got := map[int]int{}
	for range scale(2, 3) {
		status, _, raw, err := s.send(t.Context(), http.MethodPut, s.coord+"/_api/document/large?onlyget=true", strings.NewReader("["+strings.Repeat(`"large0",`, 999)+`"large0"]`), "")
		require.NoError(t, err, string(raw))
		got[status]++
	}
	return got
}
