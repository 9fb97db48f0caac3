package shard

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

// TestSumAtIsWhatApplyingGives: the checksum at a record of the log is that of the documents after the record is applied, whichever
// records are applied already, and the engine is not changed by the question.
func TestSumAtIsWhatApplyingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := vfs.NewMem()
		e, err := engine.Open("e", engine.Options{FS: disk})
		require.NoError(t, err)
		defer func() { require.NoError(t, e.Close()) }()
		s, err := Create(Env{Engine: e}, "s1")
		require.NoError(t, err)
		tenure := Tenure{Term: 1, Reboot: 1}
		var records []Record
		for seq := range uint64(rapid.IntRange(1, 12).Draw(t, "records")) {
			records = append(records, randomRecord(t, tenure, seq+1))
		}
		end := uint64(len(records))
		_, err = s.Accept(Batch{Tenure: tenure, Records: records})
		require.NoError(t, err)
		sums := map[uint64]uint64{}
		for seq := range end + 1 {
			sums[seq], _, err = SumAt(t.Context(), e, "s1", seq)
			require.NoError(t, err)
		}
		for seq := uint64(1); seq <= end; seq++ {
			_, err = s.Accept(Batch{Tenure: tenure, Prev: Position{Tenure: tenure, Seq: end}, Commit: seq})
			require.NoError(t, err)
			sum, state, err := s.Checksum(t.Context())
			require.NoError(t, err)
			require.Equal(t, seq, state.Committed)
			require.Equal(t, sum, sums[seq], "at record %d", seq)
			later, count, err := SumAt(t.Context(), e, "s1", end)
			require.NoError(t, err)
			require.Equal(t, sums[end], later, "the end, from record %d", seq)
			require.Equal(t, documentsAfter(records), count)
			_, _, err = SumAt(t.Context(), e, "s1", seq-1)
			require.ErrorIs(t, err, ErrUncertified, "it has applied more")
		}
		_, _, err = SumAt(t.Context(), e, "s1", end+1)
		require.ErrorIs(t, err, ErrUncertified)
		_, _, err = SumAt(t.Context(), e, "none", 0)
		require.ErrorIs(t, err, ErrNoShard)
	})
}

// documentsAfter counts the documents that records leave.
func documentsAfter(records []Record) uint64 {
	there := map[string]bool{}
	for _, r := range records {
		for _, c := range r.Changes {
			switch c.Kind {
			case Truncate:
				clear(there)
			case Put:
				there[c.Key] = true
			case Delete:
				delete(there, c.Key)
			}
		}
	}
	return uint64(len(there))
}

// randomRecord changes few keys, so that records change the same ones, and has few transactions. It says nothing of how many
// documents it adds: the counter is not what is tested here.
func randomRecord(t *rapid.T, tenure Tenure, seq uint64) Record {
	r := Record{Tenure: tenure, Seq: seq, Time: seq}
	id := keyOfTxn(TxnID(rapid.IntRange(1, 3).Draw(t, "transaction")))
	kind := rapid.SampledFrom([]ChangeKind{Put, Put, Truncate, Prepare, Decided, Resolved, Forgotten}).Draw(t, "kind")
	documents := func(n int) (changes []Change) {
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, n, rapid.ID).Draw(t, "keys")
		slices.Sort(keys)
		for _, key := range keys {
			if rapid.Bool().Draw(t, "delete") {
				changes = append(changes, Change{Kind: Delete, Key: key})
				continue
			}
			d := document{time: seq, json: fmt.Appendf(nil, `{"_key":%q,"_id":"c/%s","_rev":"r","v":%d}`, key, key, seq)}
			changes = append(changes, Change{Kind: Put, Key: key, Value: d.encode()})
		}
		return changes
	}
	home := dbclient.TxnShard{Database: "d", Collection: "c", Shard: "s2"}
	switch kind {
	case Prepare:
		r.Changes = []Change{{Kind: Prepare, Key: id, Value: prepared{home: home, changes: documents(3)}.encode()}}
	case Decided:
		r.Changes = append(documents(3), Change{Kind: Decided, Key: id, Value: encodeOthers([]dbclient.TxnShard{home})})
	case Resolved:
		r.Changes = append(documents(3), Change{Kind: Resolved, Key: id, Value: []byte{1}})
	case Forgotten:
		r.Changes = []Change{{Kind: Forgotten, Key: id}}
	case Truncate:
		r.Changes = []Change{{Kind: Truncate}}
	default:
		r.Changes = documents(1)
	}
	return r
}
