package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/bubbles"
	"stasis/internal/wait"
)

// latency lets writes be in flight: without it all of a write is one moment of virtual time.
func (l *lab) latency(random *rand.Rand) {
	agents, dbservers, coordinators := l.cluster.Nodes()
	hosts := []string{"client"}
	for _, n := range slices.Concat(agents, dbservers, coordinators) {
		hosts = append(hosts, n.Name)
	}
	for _, from := range hosts {
		for _, to := range hosts {
			if from != to {
				l.net.Delay(from, to, time.Duration(200+random.IntN(1500))*time.Microsecond)
			}
		}
	}
}

// write does one random change. What is refused, or unknown, is no error here: the state is compared, not the history.
func (l *lab) write(ctx context.Context, random *rand.Rand) error {
	db := l.client.Database("")
	collection, key := fmt.Sprint("c", random.IntN(2)), strconv.Itoa(random.IntN(40))
	var err error
	switch random.IntN(8) {
	case 0:
		err = db.Remove(ctx, client.Ref{Collection: collection, Key: key})
	case 1:
		_, err = db.Update(ctx, client.Ref{Collection: collection, Key: key}, map[string]any{"more": random.IntN(1000)})
	case 2:
		if random.IntN(10) == 0 {
			err = db.Truncate(ctx, collection)
		}
	default:
		err = db.Put(ctx, collection, map[string]any{"_key": key, "v": random.IntN(1000)})
	}
	if errors.Is(err, client.ErrNotFound) || ctx.Err() != nil {
		return nil
	}
	return err
}

// load writes from several clients until stop is called.
func (l *lab) load(seed uint64, write func(ctx context.Context, random *rand.Rand) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				if err := write(ctx, random); err != nil {
					l.t.Errorf("writer %d: %v", i, err)
					return
				}
				if wait.For(ctx, time.Duration(random.IntN(5))*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	return func() { cancel(); writers.Wait() }
}

// TestReaderHasWhatARestoreGives: whatever was written while backups were taken, a reader of each of them has the state that the
// cluster has after the restore of that backup.
func TestReaderHasWhatARestoreGives(t *testing.T) {
	seeds := uint64(3)
	if bubbles.Race { // one is enough to find races
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(l *lab) {
				t := l.t
				random := rand.New(rand.NewPCG(seed, 100))
				for i := range 2 {
					l.must(l.client.Database("").CreateCollectionAs(t.Context(), fmt.Sprint("c", i), client.Layout{Shards: 1 + random.IntN(5), ReplicationFactor: 1 + random.IntN(3)}))
				}
				l.latency(random)
				stop := l.load(seed, l.write)
				defer stop()
				var ids []string
				for i := range 3 {
					l.must(wait.For(t.Context(), time.Duration(random.IntN(300))*time.Millisecond))
					ids = append(ids, l.backup(fmt.Sprint("b", i)))
				}
				stop()
				l.net.HealAll()
				states := map[string]Contents{}
				for _, id := range ids {
					r := l.open(id)
					report, err := r.Inspect(t.Context(), nil)
					l.must(err)
					require.Empty(t, report.Problems)
					states[id] = report.Contents
					l.must(r.Close())
				}
				require.NotEqual(t, states[ids[0]], states[ids[2]], "the load has done something")
				for _, i := range random.Perm(len(ids)) {
					_, err := l.client.Backups().Restore(t.Context(), client.RestoreRequest{ID: ids[i]})
					l.must(err)
					require.Equal(t, states[ids[i]], l.read(l.client), ids[i])
				}
			})
		})
	}
}

// TestForgedReplicaIsFound: a piece of which documents were changed, and whose hashes and certificate were made to agree, opens. Its
// replicas differ from those of the other pieces, or the state differs from what a restore gives.
func TestForgedReplicaIsFound(t *testing.T) {
	inBubble(t, func(l *lab) {
		t := l.t
		l.fill("c", 40)
		id := l.backup("a")
		whole := l.open(id)
		want := l.read(whole.Client())
		l.must(whole.Close())
		differ := 0
		for i := range 3 {
			pieces := copied(t, l.pieces(id))
			require.Positive(t, changeDocuments(t, pieces[i], '7', '8'))
			_, err := l.tryOpen(id, pieces)
			require.Error(t, err, "the manifest tells")
			certifyAgain(t, pieces, i)
			r, err := l.tryOpen(id, pieces)
			l.must(err)
			report, err := r.Inspect(t.Context(), nil)
			l.must(err)
			require.NotEmpty(t, report.Problems, "each shard has two replicas that were in sync")
			require.Contains(t, report.Problems[0], "both replicas were in sync")
			if report.Contents != want {
				differ++
			}
			l.must(r.Close())
		}
		require.Positive(t, differ, "the changed replica leads in some piece")
	})
}

// gap is the first number that is missing below the highest one: a single client wrote them one after the other.
func (l *lab) gap(c *client.Client) (missing, highest int) {
	l.t.Helper()
	there := map[int]bool{}
	l.must(c.Database("").Documents(l.t.Context(), "chain", func(raw json.RawMessage) error {
		var d struct {
			Key string `json:"_key"`
		}
		err := json.Unmarshal(raw, &d)
		n, aerr := strconv.Atoi(d.Key)
		there[n], highest = true, max(highest, n)
		return errors.Join(err, aerr)
	}))
	for n := range highest {
		if !there[n] {
			return n, highest
		}
	}
	return -1, highest
}

// broken counts the backups, of three, whose readers do not show one instant. Each link of the coordinator that
// takes them to a DB server takes another time, so without gates the cuts are made at different moments. Writes go through the
// other coordinator.
func broken(t *testing.T, mode client.LockMode) (broken, readers int) {
	inBubble(t, func(l *lab) {
		t := l.t
		l.must(l.client.Database("").CreateCollectionAs(t.Context(), "chain", client.Layout{Shards: 9, ReplicationFactor: 2}))
		for i, d := range []time.Duration{0, 12, 25} {
			l.net.Delay("coordinator-1", fmt.Sprintf("dbserver-%d", i+1), d*time.Millisecond)
		}
		next := make(chan int, 1)
		next <- 0
		chain := func(ctx context.Context, _ *rand.Rand) error {
			n := <-next
			written := 0
			defer func() { next <- n + written }()
			if wait.For(ctx, 2*time.Millisecond) != nil {
				return nil // and n stays free: it would be a gap
			}
			written = 1
			return l.other.Database("").Put(context.WithoutCancel(ctx), "chain", map[string]any{"_key": strconv.Itoa(n)})
		}
		stop := l.load(1, chain)
		defer stop()
		var ids []string
		for i := range 3 {
			l.must(wait.For(t.Context(), 100*time.Millisecond))
			res, err := l.client.Backups().Create(t.Context(), client.CreateRequest{Label: fmt.Sprint("b", i), LockMode: mode, AllowInconsistent: mode == client.LockModeNone})
			l.must(err)
			ids = append(ids, res.ID)
		}
		stop()
		l.net.HealAll()
		for _, id := range ids {
			r := l.open(id)
			require.Equal(t, mode == client.LockModeNone, r.Certificate().PotentiallyInconsistent)
			missing, highest := l.gap(r.Client())
			require.Positive(t, highest)
			report, err := r.Inspect(t.Context(), nil)
			l.must(err)
			t.Logf("%s: up to %d, missing %d, in sync %d of %d, problems %v", id, highest, missing, report.InSync, report.Replicas, report.Problems)
			if missing >= 0 || len(report.Problems) > 0 {
				broken++
			}
			readers++
			l.must(r.Close())
		}
	})
	return broken, readers
}

// TestReadersShowABrokenCut: backups without gates are no single instant, and what their readers show says so. With gates, under the
// same load and the same delays, all are.
func TestReadersShowABrokenCut(t *testing.T) {
	found, readers := broken(t, client.LockModeNone)
	require.Equal(t, 3, readers)
	require.Positive(t, found, "a cut at different moments shows")
	found, _ = broken(t, client.LockModeTransactions)
	require.Zero(t, found)
}
