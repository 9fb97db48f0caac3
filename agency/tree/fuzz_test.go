package tree

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
)

// FuzzEntries: an entry that is taken can be applied: by the tree, and by Raft, which panics
// of a membership that it cannot decode.
func FuzzEntries(f *testing.F) {
	members := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "AGNT-a", Address: "a:1"}, {ID: "AGNT-b", Address: "b:1"}}})
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
		r := New(Config{KeepLog: 10, Halt: func(err error) { halted = err }})
		calls := validation.Calls{MaxEntry: 64 << 20, Decoded: r.Received}
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
			if answer, ok := r.Apply(e).(Applied); !ok {
				t.Fatalf("%v: %v", answer, halted)
			}
		case raft.LogConfiguration:
			r.StoreConfiguration(e.Index, raft.DecodeConfiguration(e.Data))
		case raft.LogNoop, raft.LogBarrier:
		default:
			t.Fatalf("kind %d is taken", kind)
		}
	})
}

// unreadable is a command whose checksum is right and which is none.
func unreadable() []byte {
	good := fsm.Command{Time: 1}.Encode()
	bad := append(good[:len(good)-4], "nonsense"...)
	return binary.BigEndian.AppendUint32(bad, crc32.Checksum(bad, crc32.MakeTable(crc32.Castagnoli)))
}
