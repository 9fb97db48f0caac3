package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
)

// world is a network under test: two hosts that may be one.
type world struct {
	server, client Network
	address        string        // for server to listen on, with port 0
	moment         time.Duration // long beside what a loaded machine needs for a few bytes
}

// conformance is what users of the seam rely on, whichever network is behind it.
var conformance = map[string]func(*testing.T, world){
	"BothDirectionsAtOnce":     testBothDirectionsAtOnce,
	"EndAfterAllBytes":         testEndAfterAllBytes,
	"ReadDeadline":             testReadDeadline,
	"DeadlineEndsWaitingRead":  testDeadlineEndsWaitingRead,
	"WriteDeadline":            testWriteDeadline,
	"CloseEndsWaitingRead":     testCloseEndsWaitingRead,
	"UseAfterClose":            testUseAfterClose,
	"WriteToClosedPeer":        testWriteToClosedPeer,
	"CloseEndsWaitingAccept":   testCloseEndsWaitingAccept,
	"Refused":                  testRefused,
	"DialWithEndedContext":     testDialWithEndedContext,
	"AddressInUse":             testAddressInUse,
	"Addresses":                testAddresses,
	"BadAddresses":             testBadAddresses,
	"HTTP":                     testHTTP,
	"HTTPConnectionsAreReused": testHTTPConnectionsAreReused,
	"HTTPStalledBody":          testHTTPStalledBody,
	"HTTPTrickledBody":         testHTTPTrickledBody,
	"HTTPUnreadAnswer":         testHTTPUnreadAnswer,
	"HTTPConnectionsBounded":   testHTTPConnectionsBounded,
	"HTTPBudget":               testHTTPBudget,
	"HTTPManyStreams":          testHTTPManyStreams,
	"HTTPStream":               testHTTPStream,
	"HTTPSlowHandler":          testHTTPSlowHandler,
	"HTTPRefusedBody":          testHTTPRefusedBody,
	"HTTPShutdownLetsFinish":   testHTTPShutdownLetsFinish,
	"HTTPShutdownIsBounded":    testHTTPShutdownIsBounded,
	"HTTPServerTellsItDied":    testHTTPServerTellsItDied,
	"RaftTransport":            testRaftTransport,
}

func TestTCPConforms(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait in real time
			test(t, world{server: TCP(), client: TCP(), address: "127.0.0.1:0", moment: time.Second})
		})
	}
}

// A network with faults over TCP is TCP as long as nothing is broken.
func TestFaultsOverTCPConform(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := fault.NewNetworkOver(TCP(), nil)
			test(t, world{server: n.Host("server"), client: n.Host("client"), address: "127.0.0.1:0", moment: time.Second})
			t.Cleanup(func() { require.NoError(t, n.Close()) })
		})
	}
}

// It is still TCP when every byte goes through the relay, because each link has a latency.
func TestRelayOverTCPConforms(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := fault.NewNetworkOver(TCP(), nil)
			n.Latency(time.Microsecond, 100*time.Microsecond, 1)
			test(t, world{server: n.Host("server"), client: n.Host("client"), address: "127.0.0.1:0", moment: time.Second})
			t.Cleanup(func() { require.NoError(t, n.Close()) })
		})
	}
}

func TestMemoryConforms(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				m := fault.NewNetwork()
				test(t, world{server: m.Host("server"), client: m.Host("client"), address: "server:0", moment: time.Second})
				require.NoError(t, m.Close())
			})
		})
	}
}

// A host that dials itself has a network, too.
func TestMemoryLoopbackConforms(t *testing.T) {
	for name, test := range conformance {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				m := fault.NewNetwork()
				h := m.Host("h")
				test(t, world{server: h, client: h, address: "localhost:0", moment: time.Second})
				require.NoError(t, m.Close())
			})
		})
	}
}

func (w world) listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := w.server.Listen(w.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() }) // many tests have closed it
	return l
}

// connect gives both ends of a new connection; they are closed at the end.
func (w world) connect(t *testing.T) (client, server net.Conn) {
	t.Helper()
	return dialTo(t, w.client, w.listen(t))
}

func dialTo(t *testing.T, from Network, l net.Listener) (client, server net.Conn) {
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
	var nerr net.Error
	require.ErrorAs(t, err, &nerr)
	require.True(t, nerr.Timeout())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func testBothDirectionsAtOnce(t *testing.T, w world) {
	client, server := w.connect(t)
	data := make([]byte, 3<<20) // more than any buffer
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	results := make(chan error, 4)
	send := func(c net.Conn) {
		_, err := c.Write(data)
		results <- err
	}
	receive := func(c net.Conn) {
		got := make([]byte, len(data))
		_, err := io.ReadFull(c, got)
		if err == nil && !bytes.Equal(got, data) {
			err = errors.New("other bytes than were sent")
		}
		results <- err
	}
	go send(client)
	go send(server)
	go receive(client)
	go receive(server)
	for range 4 {
		require.NoError(t, <-results)
	}
}

func testEndAfterAllBytes(t *testing.T, w world) {
	client, server := w.connect(t)
	_, err := client.Write([]byte("all of it"))
	require.NoError(t, err)
	require.NoError(t, client.Close())
	got, err := io.ReadAll(server)
	require.NoError(t, err)
	require.Equal(t, "all of it", string(got))
	_, err = server.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "bare, as io.Reader wants it")
}

func testReadDeadline(t *testing.T, w world) {
	client, server := w.connect(t)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := client.Read(make([]byte, 1))
	requireTimeout(t, err)
	_, err = client.Read(make([]byte, 1))
	requireTimeout(t, err)

	_, err = server.Write([]byte("x"))
	require.NoError(t, err)
	_, err = client.Write([]byte("x"))
	require.NoError(t, err, "a read deadline is none for writes")
	require.NoError(t, client.SetReadDeadline(time.Time{}))
	n, err := client.Read(make([]byte, 1))
	require.NoError(t, err, "the connection works on when the deadline is taken back")
	require.Equal(t, 1, n)
}

func testDeadlineEndsWaitingRead(t *testing.T, w world) {
	client, _ := w.connect(t)
	result := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		result <- err
	}()
	require.NoError(t, client.SetDeadline(time.Now().Add(20*time.Millisecond)))
	requireTimeout(t, <-result)
}

func testWriteDeadline(t *testing.T, w world) {
	client, server := w.connect(t)
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	written, block := 0, make([]byte, 1<<20)
	var err error
	for err == nil && written < 64<<20 { // no reader: the buffers fill up
		var n int
		n, err = client.Write(block)
		written += n
	}
	requireTimeout(t, err)

	require.NoError(t, client.SetWriteDeadline(time.Time{}))
	require.NoError(t, client.Close())
	got, err := io.Copy(io.Discard, server)
	require.NoError(t, err)
	require.EqualValues(t, written, got, "the count of a write that timed out is exact")
}

func testCloseEndsWaitingRead(t *testing.T, w world) {
	client, _ := w.connect(t)
	result := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		result <- err
	}()
	require.NoError(t, client.Close())
	require.ErrorIs(t, <-result, net.ErrClosed)
}

func testUseAfterClose(t *testing.T, w world) {
	client, _ := w.connect(t)
	require.NoError(t, client.Close())
	_, err := client.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = client.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, client.SetDeadline(time.Now()), net.ErrClosed)
	require.ErrorIs(t, client.Close(), net.ErrClosed)
}

func testWriteToClosedPeer(t *testing.T, w world) {
	client, server := w.connect(t)
	require.NoError(t, server.Close())
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Minute)))
	var err error
	for err == nil {
		_, err = client.Write([]byte("anybody there?"))
	}
	require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET), "%v", err)
}

func testCloseEndsWaitingAccept(t *testing.T, w world) {
	l := w.listen(t)
	result := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		result <- err
	}()
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-result, net.ErrClosed)
	_, err := l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func testRefused(t *testing.T, w world) {
	l := w.listen(t)
	require.NoError(t, l.Close())
	_, err := w.client.DialContext(t.Context(), "tcp", l.Addr().String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, l.Addr().String())

	again, err := w.server.Listen(l.Addr().String())
	require.NoError(t, err, "a closed listener's port is free")
	require.NoError(t, again.Close())
}

func testDialWithEndedContext(t *testing.T, w world) {
	l := w.listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.client.DialContext(ctx, "tcp", l.Addr().String())
	require.ErrorIs(t, err, context.Canceled)
	var operr *net.OpError
	require.ErrorAs(t, err, &operr)
	require.Equal(t, "dial", operr.Op)
}

func testAddressInUse(t *testing.T, w world) {
	l := w.listen(t)
	_, err := w.server.Listen(l.Addr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "listen on "+l.Addr().String())
}

func testAddresses(t *testing.T, w world) {
	l := w.listen(t)
	client, server := dialTo(t, w.client, l)
	require.Equal(t, l.Addr().String(), client.RemoteAddr().String())
	require.Equal(t, l.Addr().String(), server.LocalAddr().String())
	require.Equal(t, client.LocalAddr().String(), server.RemoteAddr().String())
	require.NotEqual(t, client.LocalAddr().String(), client.RemoteAddr().String())
	require.Equal(t, "tcp", l.Addr().Network())
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NotEqual(t, "0", port)
}

func testBadAddresses(t *testing.T, w world) {
	for _, address := range []string{"", "nowhere", "127.0.0.1:-1", "127.0.0.1:65536"} {
		_, err := w.client.DialContext(t.Context(), "tcp", address)
		require.Error(t, err, address)
	}
	for _, address := range []string{"nowhere", "127.0.0.1:65536"} {
		_, err := w.server.Listen(address)
		require.Error(t, err, address)
	}
	_, err := w.client.DialContext(t.Context(), "carrier pigeon", "127.0.0.1:1")
	require.Error(t, err)
}
