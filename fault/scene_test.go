package fault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

// scene is two connected hosts of a network in memory.
type scene struct {
	*testing.T
	m    *fault.Network
	l    net.Listener
	a, b net.Conn // a on host "a", which dialed; b on host "b"
}

// play runs a test in a bubble, where times are exact. Everything is closed at the end.
func play(t *testing.T, test func(scene)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		l, err := m.Host("b").Listen("b:1000")
		require.NoError(t, err)
		a, b := dialTo(t, m.Host("a"), l)
		test(scene{T: t, m: m, l: l, a: a, b: b})
		require.NoError(t, m.Close())
	})
}

func (s scene) send(c net.Conn, text string) {
	s.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(s, err)
}

// expect reads text and demands that it took exactly d.
func (s scene) expect(c net.Conn, text string, d time.Duration) {
	s.Helper()
	begun := time.Now()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(s, err)
	require.Equal(s, text, string(got))
	require.Equal(s, d, time.Since(begun))
}

// silence demands that nothing arrives for d.
func (s scene) silence(c net.Conn, d time.Duration) {
	s.Helper()
	require.NoError(s, c.SetReadDeadline(time.Now().Add(d)))
	begun := time.Now()
	n, err := c.Read(make([]byte, 1))
	requireTimeout(s.T, err)
	require.Zero(s, n)
	require.Equal(s, d, time.Since(begun))
	require.NoError(s, c.SetReadDeadline(time.Time{}))
}

// dial connects from host a to b and gives how long it took.
func (s scene) dial(limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	begun := time.Now()
	c, err := s.m.Host("a").DialContext(ctx, "tcp", "b:1000")
	if err == nil {
		err = c.Close()
	}
	return time.Since(begun), err
}

func dialTo(t *testing.T, from fault.Host, l net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := from.DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() }) // many tests have closed them
	return client, server
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(response.Body)
	return string(answer), errors.Join(err, response.Body.Close())
}
