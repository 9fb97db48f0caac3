package port

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// saying is a connection of who says something and hears nothing.
type saying struct {
	io.Reader
	net.Conn
}

func (s saying) Read(p []byte) (int, error)     { return s.Reader.Read(p) }
func (saying) Write(p []byte) (int, error)      { return len(p), nil }
func (saying) Close() error                     { return nil }
func (saying) SetReadDeadline(time.Time) error  { return nil }
func (saying) SetWriteDeadline(time.Time) error { return nil }
func (saying) RemoteAddr() net.Addr             { return namedAddr("fuzz:1") }

// FuzzRaftPort: whatever comes first on a connection, it goes to Raft only behind the preamble,
// and to HTTP whole; and a stream of Raft is welcome only if it is for this agent and says
// from whom. Nothing behind the line is read with it.
func FuzzRaftPort(f *testing.F) {
	for _, seed := range []string{
		"", "S", "STASIS", preamble, preamble + "\n", preamble + "{}\n", "GET / HTTP/1.1\r\n", "STATUS / HTTP/1.1\r\n", preamble + strings.Repeat(" ", longestLine) + "\n",
		preamble + `{"to":"AGNT-a","from":"AGNT-b","origin":{"agency":"x","incarnation":1},"leads":true}` + "\nrest", preamble + `{"to":"","from":"AGNT-b"}` + "\n", preamble + `{"to":"AGNT-a","from":"AGNT-a"}` + "\n", preamble + "null\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		p := &Port{http: newLane(namedAddr("a:1")), raft: newLane(namedAddr("a:1"))}
		raw := saying{Reader: bytes.NewReader(said)}
		sorted := make(chan struct{})
		conn := p.open.add(raw)
		p.open.unknown(conn)
		go func() { p.sort(conn); close(sorted) }()
		isRaft := bytes.HasPrefix(said, []byte(preamble))
		select {
		case c := <-p.http.conns:
			if all, err := io.ReadAll(c); isRaft || err != nil || !bytes.Equal(all, said) {
				t.Fatalf("HTTP gets %q of %q (%v)", all, said, err)
			}
			<-sorted
		case c := <-p.raft.conns:
			if !isRaft {
				t.Fatalf("Raft gets %q", said)
			}
			<-sorted
			h, err := readHello(c, "AGNT-a")
			rest, _ := io.ReadAll(c) // it cannot fail
			line, behind, whole := bytes.Cut(said[len(preamble):], []byte("\n"))
			switch {
			case err == nil && (h.To != "AGNT-a" || h.From == "" || h.From == h.To || !whole || len(line) > longestLine):
				t.Fatalf("%q is welcome: %+v", said, h)
			case err == nil && !bytes.Equal(rest, behind):
				t.Fatalf("%q is left of %q", rest, said)
			case err == nil && len(line) == 0:
				t.Fatal("an empty line is welcome")
			}
		case <-sorted:
			if isRaft || !strings.HasPrefix(preamble, string(said)) {
				t.Fatalf("%q is dropped", said)
			}
		}
		if len(p.open.new) > 0 && !isRaft {
			t.Fatal("it stays in the books")
		}
	})
}
