package port

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

// TestPortSorts: the preamble decides, however it is cut into pieces; what HTTP
// gets begins with the first byte that was sent; a closed port ends Raft's
// connections and silent ones, and leaves HTTP's to their server.
func TestPortSorts(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		p := New(memory.Host("a"), listener)
		dial := func(pieces ...string) net.Conn {
			conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
			require.NoError(t, err)
			for _, piece := range pieces {
				_, err := io.WriteString(conn, piece)
				require.NoError(t, err)
				time.Sleep(time.Second)
			}
			return conn
		}
		accepted := func(l *lane) net.Conn {
			conn, err := l.Accept()
			require.NoError(t, err)
			return conn
		}
		silent := dial()
		raftClient := dial("STASIS", "-RAFT/2\n", "hello")
		raftServer := accepted(p.raft)
		buffer := make([]byte, 5)
		_, err = io.ReadFull(raftServer, buffer)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buffer))

		httpClient := dial("STAT", "US / HTTP")
		httpServer := accepted(p.http)
		long := make([]byte, 13)
		_, err = io.ReadFull(httpServer, long)
		require.NoError(t, err)
		require.Equal(t, "STATUS / HTTP", string(long))

		require.Len(t, p.open.all, 2)
		require.NoError(t, p.Close())
		require.NoError(t, p.Close(), "again")
		for _, ended := range []net.Conn{silent, raftClient} {
			_, err := ended.Read(buffer)
			require.Error(t, err)
			require.NoError(t, ended.Close())
		}
		_, err = io.WriteString(httpClient, "still")
		require.NoError(t, err)
		require.NoError(t, httpServer.Close())
		require.NoError(t, httpClient.Close())
		_, err = p.http.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = p.dial("b:1", time.Second)
		require.Error(t, err)
		require.NoError(t, memory.Close())
	})
}

// TestPortDropsSilence: a connection that never says anything is given up.
func TestPortDropsSilence(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		p := New(memory.Host("a"), listener)
		conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
		require.NoError(t, err)
		begin := time.Now()
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, firstByteTime, time.Since(begin))
		require.NoError(t, conn.Close())
		require.NoError(t, p.Close())
		require.NoError(t, memory.Close())
	})
}

// TestPortWaitsForRaft: Raft's streams from others are ended by close; Wait waits for
// those who serve them, as what they do at the end may need the disk.
func TestPortWaitsForRaft(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		p := New(memory.Host("a"), listener)
		conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
		require.NoError(t, err)
		_, err = io.WriteString(conn, preamble)
		require.NoError(t, err)
		served, err := p.raft.Accept()
		require.NoError(t, err)

		require.NoError(t, p.Close())
		_, err = served.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		gone := make(chan struct{})
		go func() {
			p.Wait()
			close(gone)
		}()
		synctest.Wait()
		select {
		case <-gone:
			t.Fatal("a stream is still served")
		default:
		}
		require.Error(t, served.Close(), "it is closed")
		<-gone
		_ = served.Close() // twice is once
		require.NoError(t, conn.Close())
		require.NoError(t, memory.Close())
	})
}
