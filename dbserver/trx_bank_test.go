package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// bank has accounts on two servers, and moves money between them.
type bank struct {
	h     *house
	spots [2]spot
	ids   atomic.Uint64

	committed, aborted, unknown, heldUp, died atomic.Int64
	crashes, cuts, instants                   int
}

const (
	accounts = 4 // on each shard
	deposit  = 100
)

func account(i int) string { return fmt.Sprint("k", i) }

// Money moves between two servers. Coordinators die at any step, servers crash and lose what is not synced, the network between them is cut, and
// backups hold the gates in both modes. At each instant at which all gates are held, and at the end, no money has been lost or made,
// and nothing is held for ever.
func TestBank(t *testing.T) {
	seeds := 6
	if n, err := strconv.Atoi(os.Getenv("STASIS_BANK_SEEDS")); err == nil {
		seeds = n
	}
	var instants, died atomic.Int64
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				b := runBank(h, uint64(seed))
				instants.Add(int64(b.instants))
				died.Add(b.died.Load())
			})
		})
	}
	if !t.Failed() {
		require.Positive(t, instants.Load(), "no instant was looked at")
		require.Positive(t, died.Load(), "no coordinator has died")
	}
}

func runBank(h *house, seed uint64) *bank {
	t := h.t
	home, other := h.twoShards()
	b := &bank{h: h, spots: [2]spot{home, other}}
	for _, p := range b.spots {
		for i := range accounts {
			h.insert(p.at(), p.shard, account(i), fmt.Sprintf(`{"v":%d}`, deposit))
		}
	}
	time.Sleep(time.Second) // it is on disk
	h.fixed = true
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		clients.Go(func() {
			for ctx.Err() == nil {
				b.transfer(ctx, r)
				pause(ctx, time.Duration(r.IntN(100))*time.Millisecond)
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, 99))
	for range 60 {
		time.Sleep(time.Duration(50+r.IntN(800)) * time.Millisecond)
		b.disturb(r)
	}
	h.net.HealAll()
	stop()
	clients.Wait()
	h.fixed = false
	for _, p := range b.spots {
		if h.up[p.server] == nil {
			h.start(p.server)
		}
	}
	h.nothingIsHeld(home, other)
	require.Equal(t, len(b.spots)*accounts*deposit, b.sum(), "money is lost or made")
	t.Logf("committed %d, aborted %d, unknown %d, held up %d, coordinators died %d; crashes %d, cuts %d, instants %d",
		b.committed.Load(), b.aborted.Load(), b.unknown.Load(), b.heldUp.Load(), b.died.Load(), b.crashes, b.cuts, b.instants)
	require.Greater(t, b.committed.Load(), int64(20))
	require.Positive(t, b.crashes)
	return b
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// disturb does one thing to the servers, or looks at the bank while all gates are held.
func (b *bank) disturb(r *rand.Rand) {
	h := b.h
	name := b.spots[r.IntN(2)].server
	switch r.IntN(5) {
	case 0:
		b.crashes++
		h.crash(name)
		time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
		h.start(name)
	case 1:
		b.cuts++
		h.net.Cut("db1", "db2")
		h.net.Cut("db2", "db1")
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		h.net.HealAll()
	default:
		b.instant([]dbclient.LockMode{dbclient.LockModeTransactions, dbclient.LockModeCommits}[r.IntN(2)])
	}
}

// instant holds all gates, if it gets them, and counts the money.
func (b *bank) instant(mode dbclient.LockMode) {
	h := b.h
	nonce := fmt.Sprint("n", b.ids.Add(1))
	h.lock("b", nonce)
	held := 0
	var letGo []func() error
	for _, p := range b.spots {
		release, err := h.hold(h.t.Context(), p.to(), dbclient.GateLockRequest{ID: "b", Nonce: nonce, WindowSeconds: 0.3, LeaseSeconds: 10, LockMode: mode})
		if err != nil {
			require.ErrorIs(h.t, err, apierror.LockTimeout)
			break
		}
		held++
		letGo = append(letGo, release)
	}
	if held == len(b.spots) {
		b.instants++
		require.Equal(h.t, len(b.spots)*accounts*deposit, b.sum(), "a transaction is torn at an instant")
	}
	for _, release := range letGo {
		_ = release() // its request was ended
	}
	h.unlock(nonce, nil)
}

func (b *bank) sum() (sum int) {
	for _, p := range b.spots {
		page, err := b.h.dbs.Scan(b.h.t.Context(), p.to(), p.shard, dbclient.ScanRequest{})
		require.NoError(b.h.t, err)
		for _, d := range page.Documents {
			var doc struct {
				Key string `json:"_key"`
				V   int    `json:"v"`
			}
			require.NoError(b.h.t, json.Unmarshal(d, &doc))
			if doc.Key[0] == 'k' {
				sum += doc.V
			}
		}
	}
	return sum
}

// transfer moves some money in a transaction. The coordinator dies now and then: it says and does nothing more.
func (b *bank) transfer(ctx context.Context, r *rand.Rand) {
	x := &trx{h: b.h, id: dbclient.TxnID(b.ids.Add(1)), age: time.Now(), parts: map[string]dbclient.TxnPart{}}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	from, to := b.spots[r.IntN(2)], b.spots[r.IntN(2)]
	err := b.move(ctx, x, from, to, r)
	switch {
	case errors.Is(err, errDied):
		b.died.Add(1)
		return
	case errors.Is(err, errUndecided):
		b.unknown.Add(1)
		return
	case err == nil:
		b.committed.Add(1)
		return
	case errors.Is(err, apierror.GateClosed):
		b.heldUp.Add(1)
	}
	b.aborted.Add(1)
	for _, p := range []spot{from, to} {
		part := x.parts[p.to().URL]
		_ = x.calls().End(ctx, p.to(), dbclient.TxnEndRequest{TxnPart: part}) // it ends by itself, or asks
	}
}

var (
	errDied      = errors.New("the coordinator has died")
	errUndecided = errors.New("the coordinator does not know the outcome")
)

// move does the steps of a transfer.
func (b *bank) move(ctx context.Context, x *trx, from, to spot, r *rand.Rand) error {
	source, target, amount := account(r.IntN(accounts)), account(r.IntN(accounts)), 1+r.IntN(10)
	if from == to && source == target {
		return nil
	}
	steps := []func() error{
		func() error { return b.add(ctx, x, from, source, -amount) },
		func() error { return b.add(ctx, x, to, target, amount) },
	}
	decide := func(others ...spot) func() error {
		return func() error {
			err := x.decide(ctx, from, others...)
			if errors.Is(err, apierror.ConnectionLost) {
				return errUndecided
			}
			return err
		}
	}
	if from == to {
		steps = append(steps, decide())
	} else {
		steps = append(steps,
			func() error { return x.enter(ctx, from) }, func() error { return x.enter(ctx, to) },
			func() error { return x.prepare(ctx, to, from) }, decide(to),
			func() error { return told(x.resolve(ctx, to, true)) }, func() error { return told(x.forgetWithin(ctx, from)) })
	}
	for _, step := range steps {
		if r.IntN(40) == 0 {
			return errDied
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// told is the error of a step after the decision: the coordinator leaves the rest to the servers.
func told(err error) error {
	if err != nil {
		return errDied
	}
	return nil
}

// add changes an account. It reads, and then writes: if the account has changed in between, the write is refused.
func (b *bank) add(ctx context.Context, x *trx, at spot, key string, amount int) error {
	r, err := x.documents(ctx, at, dbclient.Op{Kind: dbclient.OpRead, Key: key})
	if err != nil {
		return err
	}
	var doc struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(r[0].New, &doc); err != nil {
		return err
	}
	return x.putWithin(ctx, at, key, doc.V+amount)
}
