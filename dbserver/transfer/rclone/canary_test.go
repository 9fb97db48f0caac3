package rclone

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
)

// canaryListener counts who connects, and says that there is nothing.
func canaryListener(t testing.TB) (addr string, accepted func() int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_, _ = conn.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), func() int64 { return n.Swap(0) }
}

// attempt opens a remote and lists it.
func attempt(t testing.TB, r dbclient.Remote, config dbclient.RemoteConfig) error {
	t.Helper()
	opened, err := testRemotes(t).Open(t.Context(), r, config, nil)
	if err != nil {
		return err
	}
	_, err = opened.List(t.Context(), "")
	_ = opened.Close() // the first error counts
	return err
}
