package agency

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
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
		"", "S", "STASIS", raftPreamble, raftPreamble + "\n", raftPreamble + "{}\n", "GET / HTTP/1.1\r\n", "STATUS / HTTP/1.1\r\n", raftPreamble + strings.Repeat(" ", longestLine) + "\n",
		raftPreamble + `{"to":"AGNT-a","from":"AGNT-b","origin":{"agency":"x","incarnation":1},"leads":true}` + "\nrest", raftPreamble + `{"to":"","from":"AGNT-b"}` + "\n", raftPreamble + `{"to":"AGNT-a","from":"AGNT-a"}` + "\n", raftPreamble + "null\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		m := &mux{http: newLane(namedAddr("a:1")), raft: newLane(namedAddr("a:1")), conns: map[net.Conn]struct{}{}}
		raw := saying{Reader: bytes.NewReader(said)}
		sorted := make(chan struct{})
		conn := m.track(raw)
		m.move(conn, &m.strangers, mostStrangers)
		go func() { m.sort(conn); close(sorted) }()
		isRaft := bytes.HasPrefix(said, []byte(raftPreamble))
		select {
		case c := <-m.http.conns:
			if all, err := io.ReadAll(c); isRaft || err != nil || !bytes.Equal(all, said) {
				t.Fatalf("HTTP gets %q of %q (%v)", all, said, err)
			}
			<-sorted
		case c := <-m.raft.conns:
			if !isRaft {
				t.Fatalf("Raft gets %q", said)
			}
			<-sorted
			h, err := readHello(c, "AGNT-a")
			rest, _ := io.ReadAll(c) // it cannot fail
			line, behind, whole := bytes.Cut(said[len(raftPreamble):], []byte("\n"))
			switch {
			case err == nil && (h.To != "AGNT-a" || h.From == "" || h.From == h.To || !whole || len(line) > longestLine):
				t.Fatalf("%q is welcome: %+v", said, h)
			case err == nil && !bytes.Equal(rest, behind):
				t.Fatalf("%q is left of %q", rest, said)
			case err == nil && len(line) == 0:
				t.Fatal("an empty line is welcome")
			}
		case <-sorted:
			if isRaft || !strings.HasPrefix(raftPreamble, string(said)) {
				t.Fatalf("%q is dropped", said)
			}
		}
		if len(m.strangers.order) > 0 && !isRaft {
			t.Fatal("it stays in the books")
		}
	})
}

// FuzzEntries: an entry that is taken can be applied: by the tree, and by Raft, which panics
// of a membership that it cannot decode.
func FuzzEntries(f *testing.F) {
	members := raft.EncodeConfiguration(membersOf(map[string]string{"AGNT-a": "a:1", "AGNT-b": "b:1"}))
	tx, err := fsm.ParseTransaction([]byte(`[{"x":{"op":"increment"}},{"y":{"oldEmpty":true}},"id"]`))
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range [][]byte{nil, members, fsm.Command{Time: 1, Transactions: []fsm.Transaction{tx}}.Encode(), unreadable(), []byte("nonsense")} {
		for kind := range uint8(7) {
			f.Add(kind, data, uint64(5), uint64(1))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte, index, term uint64) {
		halted := errors.New("not halted")
		m := newMachine(10, func(err error) { halted = err })
		calls := validation.Calls{MaxEntry: 64 << 20, Decoded: m.remember}
		e := &raft.Log{Index: index, Term: term, Type: raft.LogType(kind), Data: data}
		err := calls.Check(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 4, PrevLogTerm: 1, Entries: []*raft.Log{e}})
		if err != nil {
			return
		}
		if index != 5 || term < 1 || term > 3 {
			t.Fatalf("entry %d of term %d is taken", index, term)
		}
		switch e.Type {
		case raft.LogCommand:
			if answer, ok := m.Apply(e).(appliedBatch); !ok {
				t.Fatalf("%v: %v", answer, halted)
			}
		case raft.LogConfiguration:
			m.StoreConfiguration(e.Index, raft.DecodeConfiguration(e.Data))
		case raft.LogNoop, raft.LogBarrier:
		default:
			t.Fatalf("kind %d is taken", kind)
		}
	})
}
