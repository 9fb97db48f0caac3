//go:build failpoints

package check

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
	"stasis/lab/reader"
	"stasis/lab/verdict"
	"stasis/lab/workload"
)

// standstill stops commits: none goes on until goOn. First those that come to be prepared are; then
// every second one of these is decided, and stops there, and no other commit begins.
func standstill() (decide, goOn func()) {
	begin, half, on := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var prepared atomic.Int64
	clear := failpoint.Set("coordinator/transaction/step", failpoint.Anybody, func(ctx context.Context, step string) error {
		until := on
		switch step {
		case "begun":
			select {
			case <-begin:
			default:
				return nil
			}
		case "prepared":
			if prepared.Add(1)%2 == 0 {
				until = half
			}
		case "decided":
		default:
			return nil
		}
		select {
		case <-until:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	return func() { close(begin); close(half) }, sync.OnceFunc(func() { close(on); clear() })
}

// stored are what a piece has of transactions of a kind: p for those that are prepared, t for those that are decided. Those that are both
// are on several shards.
func stored(t *testing.T, p reader.Piece, kind byte) (keys [][]byte, ids map[string]bool) {
	t.Helper()
	ids = map[string]bool{}
	inEngine(t, p, func(e *engine.Engine) {
		it, err := e.NewIter([]byte("S"), []byte("T"))
		require.NoError(t, err)
		for ok := it.First(); ok; ok = it.Next() {
			_, in, _ := bytes.Cut(it.Key(), []byte{0}) // after the name of the shard: the kind, or in the second area the one after it
			if len(in) == 1+8 && (in[0] == kind || in[0] == kind+1) {
				keys, ids[string(in[1:])] = append(keys, bytes.Clone(it.Key())), true
			}
		}
		require.NoError(t, errors.Join(it.Err(), it.Close()))
	})
	return keys, ids
}

// A backup without the global lock, of a cluster that stands still in the middle of commits, is one instant: what is prepared and
// decided is in it, what is prepared alone is not. Without the decisions it is torn, and the check finds it.
func TestBackupInTheMiddleOfCommits(t *testing.T) {
	inScene(t, func(s *scene) {
		s.loads = nil // bank and chain would go on
		for name := range inTransactions {
			w, err := workload.New(workload.Spec{Name: name, Clients: 6, Replication: 2, Pace: time.Millisecond}, s.history)
			require.NoError(s, err)
			require.NoError(s, w.Setup(s.Context(), s.world.Clients()))
			s.loads = append(s.loads, w)
		}
		var a Subject
		s.run(func() {
			time.Sleep(300 * time.Millisecond)
			decide, goOn := standstill()
			defer goOn()
			time.Sleep(300 * time.Millisecond)
			decide()
			time.Sleep(time.Second) // what is decided is answered; less than a shard waits until it asks for a decision
			a = Subject{Loads: s.loads, History: s.history, Plans: s.plans}
			a.Cut.Asked = s.history.Now()
			var err error
			a.Created, err = s.world.Clients()[0].Backups().Create(s.Context(), client.CreateRequest{LockMode: client.LockModeNone, AllowInconsistent: true})
			require.NoError(s, err)
			a.Cut.Returned = s.history.Now()
			goOn()
			time.Sleep(100 * time.Millisecond)
		})
		torn := copied(s.T, s.pieces(a))
		prepared, decided := map[string]bool{}, map[string]bool{}
		for _, p := range torn {
			_, ids := stored(s.T, p, 'p')
			for id := range ids {
				prepared[id] = true
			}
		}
		for _, p := range torn {
			keys, ids := stored(s.T, p, 't')
			for id := range ids {
				decided[id] = prepared[id] || decided[id]
			}
			change(s.T, p, func(b *engine.Batch) error {
				for _, key := range keys {
					if err := b.Delete(key); err != nil {
						return err
					}
				}
				return nil
			})
		}
		both := 0
		for _, is := range decided {
			if is {
				both++
			}
		}
		s.Logf("%d are prepared, %d are decided, %d are both", len(prepared), len(decided), both)
		require.Positive(s, both)
		require.Greater(s, len(prepared), both, "some are prepared alone")
		b, found := s.judge(a, s.pieces(a))
		require.Empty(s, found)
		require.True(s, b.Checked)
		certify(s.T, torn, nil)
		_, found = s.judge(a, torn)
		require.True(s, slices.ContainsFunc(found, func(v verdict.Violation) bool {
			return v.Check == checkInstant && strings.Contains(v.Text, ": a part of a transaction")
		}), "%v", found)
	})
}
