package store

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// failingLog is a log that refuses entries when it is told to.
type failingLog struct {
	raft.LogStore
	fails bool
}

var errFailing = errors.New("the disk is full")

func (l *failingLog) StoreLogs(logs []*raft.Log) error {
	if l.fails {
		return errFailing
	}
	return l.LogStore.StoreLogs(logs)
}

// TestLogCacheIsTheLog: whatever Raft does with its log (appends, fails to append, replaces the
// end by another leader's entries, drops the beginning, drops all for a snapshot and goes
// on behind it), an entry that is read through the cache is the entry of the log.
func TestLogCacheIsTheLog(t *testing.T) {
	data := [][]byte{make([]byte, 1), make([]byte, 100), make([]byte, 3<<20), make([]byte, logCacheBytes+1)}
	rapid.Check(t, func(t *rapid.T) {
		plain := raft.NewInmemStore()
		inner := &failingLog{LogStore: raft.NewInmemStore()}
		cached := &cachedLog{LogStore: inner}
		last, term := uint64(0), uint64(1)
		both := func(what string, call func(raft.LogStore) error) {
			require.NoError(t, call(plain), what)
			require.NoError(t, call(cached), what)
		}
		entries := func() (logs []*raft.Log) {
			for i := range rapid.SampledFrom([]int{1, 2, 3, 150, 300}).Draw(t, "entries") {
				size := 0
				if i == 0 {
					size = rapid.IntRange(0, len(data)-1).Draw(t, "size")
				}
				logs = append(logs, &raft.Log{Index: last + 1 + uint64(i), Term: term, Data: data[size]})
			}
			return logs
		}
		first := func() uint64 {
			first, err := plain.FirstIndex()
			require.NoError(t, err)
			return first
		}
		between := func(from, to uint64) uint64 { return rapid.Uint64Range(from, to).Draw(t, "index") }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(*rapid.T) {
				logs := entries()
				both("append", func(l raft.LogStore) error { return l.StoreLogs(logs) })
				last += uint64(len(logs))
			},
			"fail": func(*rapid.T) {
				inner.fails = true
				require.ErrorIs(t, cached.StoreLogs(entries()), errFailing)
				inner.fails = false
			},
			"replace": func(*rapid.T) {
				if last == 0 || last < first() {
					return
				}
				from := between(first(), last)
				both("delete the end", func(l raft.LogStore) error { return l.DeleteRange(from, last) })
				last, term = from-1, term+1
				logs := entries()
				both("append", func(l raft.LogStore) error { return l.StoreLogs(logs) })
				last += uint64(len(logs))
			},
			"compact": func(*rapid.T) {
				if last == 0 || last <= first() {
					return
				}
				from, to := first(), between(first(), last-1)
				both("compact", func(l raft.LogStore) error { return l.DeleteRange(from, to) })
			},
			"snapshot": func(*rapid.T) {
				if last > 0 {
					from := first()
					both("delete all", func(l raft.LogStore) error { return l.DeleteRange(from, last) })
				}
				last, term = last+between(1, 500), term+1
				logs := entries()
				both("append", func(l raft.LogStore) error { return l.StoreLogs(logs) })
				last += uint64(len(logs))
			},
			"": func(*rapid.T) {
				require.LessOrEqual(t, cached.bytes, logCacheBytes)
				require.LessOrEqual(t, len(cached.newest), logCache)
				from := first()
				for i := max(from, 3) - 3; i <= last+3; i++ {
					var want, got raft.Log
					require.Equal(t, plain.GetLog(i, &want), cached.GetLog(i, &got), "entry %d", i)
					if want.Term != got.Term || want.Index != got.Index || len(want.Data) != len(got.Data) {
						require.Fail(t, "another entry than the log's", "entry %d: index %d of term %d, and not %d of term %d", i, got.Index, got.Term, want.Index, want.Term)
					}
				}
			},
		})
	})
}
