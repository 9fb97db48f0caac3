package network

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

// soon is how long a test waits to see that nothing comes; far longer than a byte takes.
const soon = 100 * time.Millisecond

// link is a connection over TCP of a process that breaks its own network: from "a" to "b".
type link struct {
	*testing.T
	n    *fault.Network
	l    net.Listener
	a, b net.Conn
}

func newLink(t *testing.T) *link {
	t.Helper()
	l, err := TCP().Listen("127.0.0.1:0") // another process
	require.NoError(t, err)
	n := fault.NewNetworkOver(TCP(), func(address string) string {
		if address == l.Addr().String() {
			return "b"
		}
		return ""
	})
	a, b := dialTo(t, n.Host("a"), l)
	t.Cleanup(func() { require.NoError(t, errors.Join(n.Close(), l.Close())) })
	return &link{T: t, n: n, l: l, a: a, b: b}
}

func (l *link) carries(from, to net.Conn, text string) {
	l.Helper()
	_, err := from.Write([]byte(text))
	require.NoError(l, err)
	l.gets(to, text)
}

func (l *link) gets(to net.Conn, text string) {
	l.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(to, got)
	require.NoError(l, err)
	require.Equal(l, text, string(got))
}

func (l *link) silent(c net.Conn) {
	l.Helper()
	require.NoError(l, c.SetReadDeadline(time.Now().Add(soon)))
	_, err := c.Read(make([]byte, 1))
	requireTimeout(l.T, err)
	require.NoError(l, c.SetReadDeadline(time.Time{}))
}

func (l *link) dials() error {
	ctx, cancel := context.WithTimeout(l.Context(), soon)
	defer cancel()
	c, err := l.n.Host("a").DialContext(ctx, "tcp", l.l.Addr().String())
	if err == nil {
		err = c.Close()
	}
	return err
}

// Each direction of a connection that exists is cut by itself, also what a reader waits for already.
func TestOverTCPCut(t *testing.T) {
	for _, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		l := newLink(t)
		from, to := l.a, l.b
		if way[0] == "b" {
			from, to = l.b, l.a
		}
		l.carries(from, to, "before")
		read := make(chan string, 1)
		go func() {
			got := make([]byte, 5)
			n, _ := to.Read(got)
			read <- string(got[:n])
		}()
		l.n.Cut(way[0], way[1])
		_, err := from.Write([]byte("later"))
		require.NoError(t, err)
		l.carries(to, from, "the other way works")
		require.ErrorIs(t, l.dials(), context.DeadlineExceeded)
		select {
		case got := <-read:
			t.Fatalf("%q has come over a cut link", got)
		case <-time.After(soon):
		}
		require.NotZero(t, l.n.Met(way[0], way[1]))
		l.n.Heal(way[0], way[1])
		require.Equal(t, "later", <-read)
		require.NoError(t, l.dials())
	}
}

// A close does not arrive over a cut link, and does when it heals.
func TestOverTCPCutHoldsBackTheEnd(t *testing.T) {
	l := newLink(t)
	l.n.Cut("a", "b")
	require.NoError(t, l.a.Close())
	l.silent(l.b)
	l.n.HealAll()
	_, err := l.b.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)

	l = newLink(t)
	l.n.Cut("b", "a")
	require.NoError(t, l.b.Close())
	l.silent(l.a)
	l.n.HealAll()
	_, err = l.a.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}

func TestOverTCPReset(t *testing.T) {
	l := newLink(t)
	failed := make(chan error, 1)
	go func() {
		_, err := l.a.Read(make([]byte, 1))
		failed <- err
	}()
	l.n.Reset("b", "a")
	require.ErrorIs(t, <-failed, syscall.ECONNRESET)
	_, err := l.a.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = l.b.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.NoError(t, l.dials())
	require.Equal(t, 1, l.n.Tally("a", "b").Reset)
}

// The peer's process is killed: its reset arrives, and not over a cut link.
func TestOverTCPResetOfPeer(t *testing.T) {
	l := newLink(t)
	l.n.Cut("b", "a")
	require.NoError(t, l.b.(*net.TCPConn).SetLinger(0))
	require.NoError(t, l.b.Close())
	l.silent(l.a)
	l.n.HealAll()
	_, err := l.a.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestOverTCPHalfOpen(t *testing.T) {
	for _, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		l := newLink(t)
		from, to := l.a, l.b
		if way[0] == "b" {
			from, to = l.b, l.a
		}
		l.n.HalfOpen(way[0], way[1])
		l.silent(from)
		l.carries(to, from, "still heard")
		_, err := from.Write([]byte("lost"))
		require.NoError(t, err)
		_, err = from.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		l.silent(to)
		require.NotZero(t, l.n.Tally(way[0], way[1]).Reset)
		_, err = to.Write([]byte("x"))
		require.NoError(t, err)
		_, err = to.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET, "the other end finds out when it sends")
	}
}

// A reader that waited before the rule came is told when its own side has sent.
func TestOverTCPHalfOpenWakesReaders(t *testing.T) {
	l := newLink(t)
	failed := make(chan error, 1)
	go func() {
		_, err := l.a.Read(make([]byte, 1))
		failed <- err
	}()
	select {
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(soon): // it waits
	}
	l.n.HalfOpen("a", "b")
	_, err := l.a.Write([]byte("lost"))
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, syscall.ECONNRESET)
}

func TestOverTCPDropDelayThrottleFreeze(t *testing.T) {
	l := newLink(t)
	l.n.Delay("a", "b", soon)
	begun := time.Now()
	l.carries(l.a, l.b, "delayed")
	require.GreaterOrEqual(t, time.Since(begun), soon)
	l.n.HealAll()

	l.n.Throttle("b", "a", 1000)
	begun = time.Now()
	_, err := l.b.Write(make([]byte, 100))
	require.NoError(t, err)
	_, err = io.ReadFull(l.a, make([]byte, 100))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begun), soon)
	l.n.HealAll()

	for _, freeze := range []func(){func() { l.n.FreezeLink("a", "b") }, func() { l.n.Freeze("b") }} {
		freeze()
		_, err = l.a.Write([]byte("frozen"))
		require.NoError(t, err)
		l.silent(l.b)
		require.NoError(t, l.dials(), "connections can be made")
		l.n.HealAll()
		l.gets(l.b, "frozen")
	}
	l.n.Isolate("b")
	_, err = l.a.Write([]byte("isolated"))
	require.NoError(t, err)
	l.silent(l.b)
	l.n.Rejoin("b")
	l.gets(l.b, "isolated")

	l.n.Drop("a", "b")
	_, err = l.a.Write([]byte("lost"))
	require.NoError(t, err)
	l.silent(l.b)
	l.carries(l.b, l.a, "the other way works")
	require.NoError(t, l.a.Close())
	l.silent(l.b)
	require.Equal(t, []int{1, 1}, []int{l.n.Tally("a", "b").Delayed.Pieces, l.n.Tally("b", "a").Throttled.Pieces})
	require.NotZero(t, l.n.Tally("a", "b").Frozen.Pieces)
	require.NotZero(t, l.n.Tally("a", "b").Lost.Pieces)
}

// Rules come and go while bytes flow in both directions: each arrives once, and in its place.
func TestOverTCPRulesWhileBytesFlow(t *testing.T) {
	l := newLink(t)
	const size = 4 << 20
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7 / 5)
	}
	results := make(chan error, 4)
	for _, c := range []net.Conn{l.a, l.b} {
		go func() {
			_, err := c.Write(data)
			results <- err
		}()
		go func() {
			got := make([]byte, size)
			_, err := io.ReadFull(c, got)
			if err == nil && !bytes.Equal(got, data) {
				err = errors.New("other bytes than were sent")
			}
			results <- err
		}()
	}
	for range 3 {
		l.n.Cut("a", "b")
		l.n.Delay("b", "a", time.Millisecond)
		l.n.HealAll()
	}
	for range 4 {
		require.NoError(t, <-results)
	}
}

// Requests meet the rules about messages. Addresses that are not known are outside; those on which the network's own hosts
// listen need not be told.
func TestOverTCPMessages(t *testing.T) {
	n := fault.NewNetworkOver(TCP(), nil)
	known := world{server: n.Host("b"), client: n.Host("a"), address: "127.0.0.1:0"}
	unknown := world{server: TCP(), client: n.Host("a"), address: "127.0.0.1:0"}
	hello := func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") }
	b, other := known.serve(t, hello, ServerOptions{}), unknown.serve(t, hello, ServerOptions{})
	web := known.clients(t)["HTTP/1.1"]
	lost := n.Message(fault.Message{From: "a", To: "b", Do: fault.LoseAnswer, By: time.Millisecond})
	_, err := post(t.Context(), web, b.URL(), nil)
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
	_, err = post(t.Context(), web, other.URL(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, lost.Met())
	lost.End()
	outside := n.Message(fault.Message{To: fault.Outside, Do: fault.LoseRequest, By: time.Millisecond})
	_, err = post(t.Context(), web, other.URL(), nil)
	require.ErrorIs(t, err, syscall.ETIMEDOUT)
	_, err = post(t.Context(), web, b.URL(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, outside.Met())
	t.Cleanup(func() { require.NoError(t, n.Close()) })
}

// What waits ends with the network, and its goroutines with it.
func TestOverTCPClose(t *testing.T) {
	l := newLink(t)
	l.n.Cut("a", "b")
	l.n.Cut("b", "a")
	failed := make(chan error, 1)
	go func() {
		_, err := l.a.Read(make([]byte, 1))
		failed <- err
	}()
	require.NoError(t, l.n.Close())
	require.ErrorIs(t, <-failed, net.ErrClosed)
	_, err := l.n.Host("a").DialContext(t.Context(), "tcp", l.l.Addr().String())
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = l.n.Host("a").Listen("127.0.0.1:0")
	require.ErrorIs(t, err, net.ErrClosed)
}

// What a network with faults costs as long as nothing is broken: a byte there and back, and bytes in one direction.
func BenchmarkOverTCP(b *testing.B) {
	for _, n := range []struct {
		name string
		make func() (Network, func() error)
	}{
		{"tcp", func() (Network, func() error) { return TCP(), func() error { return nil } }},
		{"no rule", func() (Network, func() error) {
			n := fault.NewNetworkOver(TCP(), nil)
			return n.Host("a"), n.Close
		}},
		{"relayed", func() (Network, func() error) { // every connection has been relayed since
			n := fault.NewNetworkOver(TCP(), nil)
			n.Latency(1, 1, 1)
			return n.Host("a"), n.Close
		}},
	} {
		b.Run("turns/"+n.name, func(b *testing.B) { turns(b, n.make, 1) })
		b.Run("blocks/"+n.name, func(b *testing.B) { turns(b, n.make, 1<<20) })
	}
}

func turns(b *testing.B, network func() (Network, func() error), size int) {
	n, end := network()
	l, err := TCP().Listen("127.0.0.1:0")
	require.NoError(b, err)
	client, err := n.DialContext(b.Context(), "tcp", l.Addr().String())
	require.NoError(b, err)
	server, err := l.Accept()
	require.NoError(b, err)
	go func() {
		block := make([]byte, size)
		for {
			if _, err := io.ReadFull(server, block); err != nil {
				return
			}
			if _, err := server.Write(block[:1]); err != nil {
				return
			}
		}
	}()
	block := make([]byte, size)
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := client.Write(block); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, block[:1]); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, errors.Join(client.Close(), end(), server.Close(), l.Close()))
}
