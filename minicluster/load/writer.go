package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"stasis/client"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// Writer is one sequential client. Next gives its n-th write of a chain (n from
// 1); it is called again from 1, with a new chain name, after a write whose
// outcome is unknown.
type Writer struct {
	Name string
	DB   *client.Database
	Next func(chain string, n int) (collection, key string, fields map[string]any)
	// Pause is how long the writer rests between two writes; 0: not at all.
	Pause time.Duration
}

// Inserts is the writer that inserts a new document each time, so that the chain
// runs across all shards of the collection.
func Inserts(name string, db *client.Database, collection string) Writer {
	return Writer{Name: name, DB: db, Next: func(chain string, n int) (string, string, map[string]any) {
		return collection, fmt.Sprintf("%s-%d", chain, n), map[string]any{}
	}}
}

// Updates is the writer that writes one and the same document again and again, so
// that its chain stays on one shard.
func Updates(name string, db *client.Database, collection string) Writer {
	return Writer{Name: name, DB: db, Next: func(chain string, _ int) (string, string, map[string]any) {
		return collection, chain, map[string]any{}
	}}
}

// InitialBalance is what every account of Transfers begins with.
const InitialBalance = 1000

// Transfers is the writer that opens accounts and then moves money between them:
// take from one, and once that is acknowledged give to another. So at any
// instant at most one transfer's amount is on its way.
func Transfers(name string, db *client.Database, collection string, accounts int, seed uint64) Writer {
	rng := rand.New(rand.NewPCG(seed, 1))
	var balance []int
	var to, amount int
	return Writer{Name: name, DB: db, Next: func(chain string, n int) (string, string, map[string]any) {
		if n == 1 {
			balance = make([]int, accounts)
		}
		var account int
		switch {
		case n <= accounts:
			account, balance[n-1] = n-1, InitialBalance
		case (n-accounts)%2 == 1:
			account, to, amount = rng.IntN(accounts), rng.IntN(accounts), 1+rng.IntN(20)
			balance[account] -= amount
		default:
			account = to
			balance[account] += amount
		}
		return collection, fmt.Sprintf("%s-%d", chain, account), map[string]any{"balance": balance[account]}
	}}
}

// Run lets all writers write until ctx ends, recording into h. Each finishes the
// write that it has begun, within grace. It returns the first error that is not a
// refusal or a lost answer: a cluster under faults gives both.
func Run(ctx context.Context, h *History, grace time.Duration, writers ...Writer) error {
	var wg sync.WaitGroup
	errs := make([]error, len(writers))
	for i, w := range writers {
		wg.Go(func() { errs[i] = w.run(ctx, h, grace) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (w Writer) run(ctx context.Context, h *History, grace time.Duration) error {
	for life := 1; ctx.Err() == nil; life++ {
		c := h.newChain(fmt.Sprintf("%s.%d", w.Name, life))
		if err := w.chain(ctx, h, c, grace); err != nil {
			return fmt.Errorf("writer %s: %w", w.Name, err)
		}
	}
	return nil
}

// chain writes until ctx ends or an outcome is unknown.
func (w Writer) chain(ctx context.Context, h *History, c *Chain, grace time.Duration) error {
	for n := 1; ctx.Err() == nil; n++ {
		collection, key, fields := w.Next(c.Name, n)
		fields["_key"], fields["chain"], fields["n"] = key, c.Name, n
		doc, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		op := Op{N: n, Collection: collection, Key: key, Doc: doc}
		switch err := w.write(ctx, h, c, op, grace); {
		case errors.Is(err, errUnknown):
			_ = wait.For(ctx, 50*time.Millisecond) // the loops here look at ctx themselves
			return nil
		case err != nil:
			return err
		}
		if w.Pause > 0 {
			_ = wait.For(ctx, w.Pause)
		}
	}
	return nil
}

var errUnknown = errors.New("outcome unknown")

// write tries until the write is acknowledged, its outcome is unknown, or ctx ends.
func (w Writer) write(ctx context.Context, h *History, c *Chain, op Op, grace time.Duration) error {
	for {
		h.begin(c, op)
		call, cancel := graceful(ctx, grace)
		err := w.DB.Put(call, op.Collection, op.Doc)
		cancel()
		var answer *apierror.Error
		switch {
		case err == nil:
			h.acknowledged(c)
			return nil
		case errors.As(err, &answer) && refused(answer):
			h.dropLast(c)
			if ctx.Err() != nil {
				return nil
			}
			_ = wait.For(ctx, 10*time.Millisecond)
		case errors.As(err, &answer) && answer.Status() < 500:
			return fmt.Errorf("operation %d: %w", op.N, err)
		default:
			return fmt.Errorf("%w: %w", errUnknown, err)
		}
	}
}

// refused reports whether the answer promises that nothing was done.
func refused(e *apierror.Error) bool {
	switch e.Num {
	case apierror.StartingUp, apierror.NoLeader, apierror.NotLeader, apierror.WrongEpoch:
		return true
	}
	return false
}

// graceful is a context that outlives ctx by grace, so that a write which was
// begun is answered.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return call, func() { stop(); cancel() }
}
