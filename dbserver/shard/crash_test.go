package shard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// writeMany writes documents from several goroutines, all to the same few keys,
// until stop is closed. What it was told is on disk it reports as acknowledged:
// key → lowest value that a reader may find.
func writeMany(s *Shard, writers int, stop <-chan struct{}) (acknowledged func() map[string]int, wait func() error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	acks := map[string]int{}
	failures := make([]error, writers)
	for w := range writers {
		group.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("k%d-%d", w, n%7)
				results, err := s.Documents(context.Background(), dbclient.DocumentsRequest{Collection: "c", WaitForSync: n%3 == 0, Ops: []dbclient.Op{
					{Kind: dbclient.OpInsert, Key: name, Document: fmt.Appendf(nil, `{"n":%d}`, n), OverwriteMode: dbclient.OverwriteReplace},
					{Kind: dbclient.OpInsert, Key: fmt.Sprintf("gone%d", w), Document: raw(`{}`), OverwriteMode: dbclient.OverwriteIgnore},
					{Kind: dbclient.OpRemove, Key: fmt.Sprintf("gone%d", w)},
				}})
				if errors.Is(err, apierror.NotLeader) { // a tenure has ended: what it had decided is not numbered
					continue
				}
				if err != nil || results[0].Error != nil {
					failures[w] = fmt.Errorf("write %s: %w %v", name, err, results)
					return
				}
				if n%3 == 0 {
					mu.Lock()
					acks[name] = n
					mu.Unlock()
				}
			}
		})
	}
	return func() map[string]int {
			mu.Lock()
			defer mu.Unlock()
			copied := map[string]int{}
			for k, n := range acks {
				copied[k] = n
			}
			return copied
		}, func() error {
			group.Wait()
			for _, err := range failures {
				if err != nil {
					return err
				}
			}
			return nil
		}
}

// The power fails at any moment: what was acknowledged as synced is there, the
// counters agree with the documents, and the revisions go on.
func TestPowerCut(t *testing.T) {
	for round := range 6 {
		seed := uint64(round)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			o := open(t, fs, &Clock{}, Retention{Entries: 50, Bytes: 4 << 10})
			s := o.leader(Tenure{3, 1})
			stop := make(chan struct{})
			acknowledged, wait := writeMany(s, 4, stop)
			for n, cut := uint64(0), 50+seed*37; n < cut; n = s.State().Last.Seq {
				runtime.Gosched()
			}
			acks := acknowledged()
			before := s.State().Revision
			after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed) * 20, RNG: rand.New(rand.NewPCG(seed, 1))})
			close(stop)
			require.NoError(t, wait())
			o.close()

			o = open(t, after, &Clock{}, Retention{Entries: 50, Bytes: 4 << 10})
			defer o.close()
			s = o.leader(Tenure{3, 2})
			require.NoError(t, s.Check(t.Context()))
			for name, n := range acks {
				var doc struct{ N int }
				require.NoError(t, json.Unmarshal(one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: name}).New, &doc))
				require.GreaterOrEqual(t, doc.N, n, name)
			}
			r := one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "next", Document: raw(`{}`)})
			require.Greater(t, r.Rev, before)
		})
	}
}

// Truncating and dropping are all or nothing, and durable when they say so.
func TestTruncateAndDropSurvive(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := open(t, fs, &Clock{}, Retention{})
	var shards []*Shard
	for _, name := range []string{"s1", "s10", "s2"} { // one a prefix of another
		s, err := Create(o.env, name)
		require.NoError(t, err)
		require.NoError(t, s.Lead(Tenure{1, 1}, solo{o.env.Engine}, true))
		for i := range 10 {
			do(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprint(i), Document: raw(`{}`)})
		}
		shards = append(shards, s)
	}
	require.NoError(t, shards[1].Truncate(t.Context(), dbclient.TruncateRequest{WaitForSync: true}))
	require.NoError(t, shards[0].Drop())
	require.NoError(t, shards[0].Drop(), "dropping twice")
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	o.close()

	o = open(t, after, &Clock{}, Retention{})
	defer o.close()
	names, err := Names(o.env.Engine)
	require.NoError(t, err)
	require.Equal(t, []string{"s10", "s2"}, names)
	_, err = Open(o.env, "s1")
	require.ErrorIs(t, err, ErrNoShard)
	for name, want := range map[string]uint64{"s10": 0, "s2": 10} {
		s, err := Open(o.env, name)
		require.NoError(t, err)
		require.NoError(t, s.Check(t.Context()))
		require.Equal(t, want, s.State().Count, name)
	}
}
