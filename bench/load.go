package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// target is a system with connections for a number of clients. write and read
// may be called by each client beside the others.
type target struct {
	write func(ctx context.Context, client int, key, value string) error
	read  func(ctx context.Context, client int, key string) error
	close func()
}

const (
	keys      = 10_000
	valueSize = 256
	warmUp    = time.Second
)

// figures are what one load came to.
type figures struct {
	rate     float64 // answers per second
	p50, p99 time.Duration
	members  time.Duration // processor time of all members, for each answer
	leader   time.Duration // of the leader alone
	load     time.Duration // of this process, which asks
}

// measure lets clients ask, each without a pause, and counts what is answered
// within length after the warm-up.
func (r *running) measure(ctx context.Context, t target, kind string, clients int, length time.Duration) (figures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := time.Now().Add(warmUp)
	end := begin.Add(length)
	before, self, answered := r.cpu(), ownCPU(), make([]int, clients) // the warm-up included
	took := make([][]time.Duration, clients)
	failed := make([]error, clients)
	value := strings.Repeat("v", valueSize)
	var wait sync.WaitGroup
	for c := range clients {
		wait.Go(func() {
			for n := c; ; n += clients {
				key := fmt.Sprintf("%05d", n%keys)
				asked := time.Now()
				if asked.After(end) {
					return
				}
				var err error
				if kind != "read" {
					err = t.write(ctx, c, key, value)
				} else {
					err = t.read(ctx, c, key)
				}
				if err != nil {
					failed[c] = err
					cancel()
					return
				}
				answered[c]++
				if now := time.Now(); asked.After(begin) && now.Before(end) {
					took[c] = append(took[c], now.Sub(asked))
				}
			}
		})
	}
	wait.Wait()
	if err := errors.Join(failed...); err != nil {
		return figures{}, err
	}
	total := 0
	for _, n := range answered {
		total += n
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return figures{}, errors.New("nothing was answered")
	}
	slices.Sort(all)
	f := figures{
		rate: float64(len(all)) / length.Seconds(),
		p50:  all[len(all)/2],
		p99:  all[len(all)*99/100],
		load: (ownCPU() - self) / time.Duration(total),
	}
	after := r.cpu()
	for i := range after {
		f.members += (after[i] - before[i]) / time.Duration(total)
	}
	f.leader = (after[r.place] - before[r.place]) / time.Duration(total)
	return f, nil
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
