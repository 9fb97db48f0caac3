package shard

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
)

// Transactions count up a document on each of two shards, from several goroutines, with either as the home. Whoever
// has read a number on one shard reads no earlier one on the other, and in the end both have the same.
func TestWhoHasSeenOneWriteSeesAll(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	o.env.Locks = locks.NewTable(0)
	var pair [2]*Shard
	for i := range pair {
		var err error
		pair[i], err = Create(o.env, fmt.Sprint("s", i))
		require.NoError(t, err)
		require.NoError(t, pair[i].Lead(Tenure{1, 1}, solo{o.env.Engine}, true))
	}
	var ids, committed atomic.Int64
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	errs := make(chan error, 16)
	for w := range 3 {
		writers.Go(func() {
			for i := range 200 {
				home := (w + i) % 2
				done, err := writePair(t, pair, home, TxnID(ids.Add(1)))
				if err != nil {
					errs <- err
					return
				}
				if done {
					committed.Add(1)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				first := rand.IntN(2)
				if err := readPair(t, pair[first], pair[1-first]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Greater(t, committed.Load(), int64(100), "hardly any was committed: the test shows nothing")
	a, err := readNumber(t, pair[0])
	require.NoError(t, err)
	b, err := readNumber(t, pair[1])
	require.NoError(t, err)
	require.EqualValues(t, committed.Load(), a)
	require.Equal(t, a, b)
	for _, s := range pair {
		require.NoError(t, s.Check(t.Context()))
		whole := &locks.Owner{Patient: true}
		require.NoError(t, s.locks.Whole(t.Context(), whole, 0), "a lock is left")
		s.env.Locks.Release(whole)
	}
}

// writePair commits one transaction: both documents become what the first was, and one more. done is false if another has written in between.
func writePair(t *testing.T, pair [2]*Shard, home int, id TxnID) (done bool, err error) {
	o := locks.Transaction(id.String(), "", time.Now())
	defer pair[0].env.Locks.Release(o)
	var parts [2]*Part
	n := 0
	for i, s := range pair {
		if parts[i], err = s.Transactions().Begin(id, o, PartLimits{LockWait: time.Minute}); err != nil {
			return false, err
		}
		if i == 0 {
			old, err := parts[i].Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
			if err != nil {
				return false, err
			}
			if n, err = numberIn(old[0]); err != nil {
				return false, err
			}
		}
		r, err := parts[i].Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{put("k", n+1)}})
		if err != nil || r[0].Error != nil {
			return false, err
		}
	}
	names := [2]dbclient.TxnShard{{Shard: "s0"}, {Shard: "s1"}}
	other := 1 - home
	if err := parts[other].Prepare(t.Context(), names[home]); err != nil {
		return false, err
	}
	if err := parts[home].Decide(t.Context(), names[other:other+1], false); err != nil {
		return false, err
	}
	found, err := pair[other].Transactions().Resolve(t.Context(), id, true, true)
	if err != nil || !found {
		return false, fmt.Errorf("resolve: found %v: %w", found, err)
	}
	return true, pair[home].Transactions().Forget(t.Context(), []TxnID{id})
}

// readPair reads one document after the other.
func readPair(t *testing.T, first, second *Shard) error {
	a, err := readNumber(t, first)
	if err != nil {
		return err
	}
	b, err := readNumber(t, second)
	if err == nil && b < a {
		err = fmt.Errorf("%d is read on %s, and later %d on %s", a, first.name, b, second.name)
	}
	return err
}

func readNumber(t *testing.T, s *Shard) (int, error) {
	r, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
	if err != nil {
		return 0, err
	}
	return numberIn(r[0])
}

// numberIn is what a document says; 0 if there is none.
func numberIn(r dbclient.OpResult) (int, error) {
	if r.Error != nil {
		if errors.Is(r.Error, apierror.DocumentNotFound) {
			return 0, nil
		}
		return 0, r.Error
	}
	o, ok := parseObject(r.New)
	if !ok {
		return 0, errDocument
	}
	return strconv.Atoi(string(o.value("n")))
}
