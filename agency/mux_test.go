package agency

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

// TestMuxSorts: the preamble decides, however it is cut into pieces; what HTTP
// gets begins with the first byte that was sent; a closed mux ends Raft's
// connections and silent ones, and leaves HTTP's to their server.
func TestMuxSorts(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		m := newMux(memory.Host("a"), listener)
		dial := func(pieces ...string) net.Conn {
			conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
			require.NoError(t, err)
			for _, p := range pieces {
				_, err := io.WriteString(conn, p)
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
		raftServer := accepted(m.raft)
		buffer := make([]byte, 5)
		_, err = io.ReadFull(raftServer, buffer)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buffer))

		httpClient := dial("STAT", "US / HTTP")
		httpServer := accepted(m.http)
		long := make([]byte, 13)
		_, err = io.ReadFull(httpServer, long)
		require.NoError(t, err)
		require.Equal(t, "STATUS / HTTP", string(long))

		require.Len(t, m.conns, 2)
		require.NoError(t, m.close())
		require.NoError(t, m.close(), "again")
		for _, ended := range []net.Conn{silent, raftClient} {
			_, err := ended.Read(buffer)
			require.Error(t, err)
			require.NoError(t, ended.Close())
		}
		_, err = io.WriteString(httpClient, "still")
		require.NoError(t, err)
		require.NoError(t, httpServer.Close())
		require.NoError(t, httpClient.Close())
		_, err = m.http.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = m.dialRaft("b:1", time.Second)
		require.Error(t, err)
		require.NoError(t, memory.Close())
	})
}

// TestMuxDropsSilence: a connection that never says anything is given up.
func TestMuxDropsSilence(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		m := newMux(memory.Host("a"), listener)
		conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
		require.NoError(t, err)
		begin := time.Now()
		_, err = conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, sniffTime, time.Since(begin))
		require.NoError(t, conn.Close())
		require.NoError(t, m.close())
		require.NoError(t, memory.Close())
	})
}

// TestMuxWaitsForRaft: Raft's streams from others are ended by close; letGo waits for
// those who serve them, as what they do at the end may need the disk.
func TestMuxWaitsForRaft(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		memory := fault.NewNetwork()
		listener, err := memory.Host("a").Listen("a:1")
		require.NoError(t, err)
		m := newMux(memory.Host("a"), listener)
		conn, err := memory.Host("b").DialContext(t.Context(), "tcp", "a:1")
		require.NoError(t, err)
		_, err = io.WriteString(conn, raftPreamble)
		require.NoError(t, err)
		served, err := m.raft.Accept()
		require.NoError(t, err)

		require.NoError(t, m.close())
		_, err = served.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		gone := make(chan struct{})
		go func() {
			m.letGo()
			close(gone)
		}()
		synctest.Wait()
		select {
		case <-gone:
			t.Fatal("somebody still serves a stream")
		default:
		}
		require.Error(t, served.Close(), "it is closed")
		<-gone
		_ = served.Close() // twice is once
		require.NoError(t, conn.Close())
		require.NoError(t, memory.Close())
	})
}
