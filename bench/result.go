package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// results are the figures of every round, by load.
type results map[load][]figures

// load is what was asked of whom.
type load struct {
	system, kind string
	clients      int
}

func (r results) add(system, kind string, clients int, f figures) {
	l := load{system, kind, clients}
	r[l] = append(r[l], f)
}

// median is the middle of a figure over the rounds.
func median[T float64 | time.Duration](rounds []figures, of func(figures) T) T {
	var all []T
	for _, f := range rounds {
		all = append(all, of(f))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// print writes one line for each load, and how it compares with etcd's.
func (r results) print(to io.Writer, o options) {
	fmt.Fprintf(to, "\n| load | clients | system | per second | of etcd's | p50 ms | p99 ms | of etcd's | members' cpu µs |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, kind := range []string{"write", "read"} {
		for _, n := range o.clients {
			for _, s := range systems(o) {
				rounds := r[load{s.name, kind, n}]
				if len(rounds) == 0 {
					continue
				}
				rate := median(rounds, func(f figures) float64 { return f.rate })
				p50 := median(rounds, func(f figures) time.Duration { return f.p50 })
				p99 := median(rounds, func(f figures) time.Duration { return f.p99 })
				times, later := "", ""
				if base := r[load{"etcd", kind, n}]; len(base) > 0 && s.name != "etcd" {
					times = fmt.Sprintf("%.2f", rate/median(base, func(f figures) float64 { return f.rate }))
					later = fmt.Sprintf("%.2f", p99.Seconds()/median(base, func(f figures) time.Duration { return f.p99 }).Seconds())
				}
				fmt.Fprintf(to, "| %s | %d | %s | %.0f | %s | %.2f | %.2f | %s | %.0f |\n", kind, n, s.name, rate, times,
					p50.Seconds()*1000, p99.Seconds()*1000, later,
					median(rounds, func(f figures) time.Duration { return f.cpu }).Seconds()*1e6)
			}
		}
	}
}
