package main

import (
	"fmt"
	"io"
	"slices"
)

// results are the figures of every round, by load.
type results map[load][]figures

// load is what was asked of whom.
type load struct {
	system, kind string
	clients      int
}

func (r results) add(l load, f figures) { r[l] = append(r[l], f) }

// median is the middle of a figure over the rounds.
func median(rounds []figures, of func(figures) float64) float64 {
	var all []float64
	for _, f := range rounds {
		all = append(all, of(f))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// print writes one line for each load and system, and how it compares with etcd
// asked by its own client.
func (r results) print(to io.Writer, o options) {
	fmt.Fprintf(to, "\n| load | clients | system | per second | of etcd's | p50 ms | p99 ms | of etcd's | cpu µs: members | leader | load |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, kind := range kinds {
		for _, n := range o.clients {
			for _, s := range systems(o) {
				rounds, other := r[load{s.name, kind, n}], r[load{base, kind, n}]
				if len(rounds) == 0 {
					continue
				}
				times, later := "", ""
				if len(other) > 0 && s.name != base {
					times = fmt.Sprintf("%.2f", median(rounds, rate)/median(other, rate))
					later = fmt.Sprintf("%.2f", median(rounds, p99)/median(other, p99))
				}
				fmt.Fprintf(to, "| %s | %d | %s | %.0f | %s | %.2f | %.2f | %s | %.0f | %.0f | %.0f |\n", kind, n, s.name, median(rounds, rate), times,
					median(rounds, p50), median(rounds, p99), later, median(rounds, membersCPU), median(rounds, leaderCPU), median(rounds, loadCPU))
			}
		}
	}
}

func rate(f figures) float64       { return f.rate }
func p50(f figures) float64        { return f.p50.Seconds() * 1e3 }
func p99(f figures) float64        { return f.p99.Seconds() * 1e3 }
func membersCPU(f figures) float64 { return f.members.Seconds() * 1e6 }
func leaderCPU(f figures) float64  { return f.leader.Seconds() * 1e6 }
func loadCPU(f figures) float64    { return f.load.Seconds() * 1e6 }
