package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	stasis, etcd string
	dir          string
	only         string
	clients      []int
	rounds       int
	conns        int
	followers    int
	length       time.Duration
	extra        []string // flags for the agents
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	var clients, extra string
	flag.StringVar(&o.stasis, "stasis", "../bin/stasis", "the binary of Stasis")
	flag.StringVar(&o.etcd, "etcd", "bin/etcd", "the binary of etcd")
	flag.StringVar(&o.dir, "dir", "bin/data", "where the members keep their data: all on this disk")
	flag.StringVar(&o.only, "only", "", "systems to run, with commas; empty: all")
	flag.StringVar(&clients, "clients", "1,64,512", "numbers of clients")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each system has its turn")
	flag.IntVar(&o.conns, "conns", 8, "gRPC connections to etcd, as most")
	flag.DurationVar(&o.length, "length", 4*time.Second, "how long one load is measured")
	flag.IntVar(&o.followers, "followers", 100, "followers of the watch, for one load more")
	polled := flag.String("follow", "", "only follow this agent: the process of the followers")
	flag.StringVar(&extra, "agent-flags", "", "more flags for the agents, with blanks")
	flag.Parse()
	if *polled != "" {
		return follow(*polled, o.followers)
	}
	for _, c := range strings.Split(clients, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			return fmt.Errorf("-clients %q", clients)
		}
		o.clients = append(o.clients, n)
	}
	o.extra = strings.Fields(extra)
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return compare(ctx, o)
}

// kinds are the loads, in their order.
var kinds = []string{"write", followersKind, "read"}

// running is a system with its members.
type running struct {
	system
	*cluster
	place int // of the leader
}

// compare starts all systems, lets them take turns, load by load and round after
// round, and prints the medians. Who has no turn is idle.
func compare(ctx context.Context, o options) error {
	var all []*running
	for _, s := range systems(o) {
		dir, err := os.MkdirTemp(mkdir(o.dir), s.name+"-")
		if err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		defer os.RemoveAll(dir)
		c, err := start(ctx, s, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer c.kill()
		all = append(all, &running{system: s, cluster: c})
	}
	took := results{}
	for round := range o.rounds {
		for _, n := range o.clients {
			for _, kind := range kinds {
				fmt.Fprintf(os.Stderr, "round %d of %d: %s by %d clients\n", round+1, o.rounds, kind, n)
				for i := range all { // another one begins each time
					r := all[(i+round)%len(all)]
					if kind == followersKind && (r.name != "stasis" || n == 1 || o.followers == 0) {
						continue
					}
					if err := r.turn(ctx, o, load{r.name, kind, n}, took); err != nil {
						return fmt.Errorf("%s: %s by %d clients: %w", r.name, kind, n, err)
					}
				}
			}
		}
	}
	took.print(os.Stdout, o)
	return nil
}

// turn asks one system, at its leader.
func (r *running) turn(ctx context.Context, o options, l load, took results) error {
	err := until(ctx, func() error {
		var err error
		r.place, err = r.leader(ctx, r.cluster)
		return err
	})
	if err != nil {
		return fmt.Errorf("find the leader: %w", err)
	}
	t, err := r.connect(r.address(r.place, 0), l.clients)
	if err != nil {
		return err
	}
	defer t.close()
	measure := func() (figures, error) { return r.measure(ctx, t, l.kind, l.clients, o.length) }
	var f figures
	if l.kind == followersKind {
		f, err = followed(ctx, r.address(r.place, 0), o.followers, measure)
	} else {
		f, err = measure()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  %-10s %8.0f/s  p50 %s  p99 %s  cpu %s\n", r.name, f.rate, f.p50, f.p99, f.members)
	took.add(l, f)
	return nil
}

func mkdir(dir string) string {
	_ = os.MkdirAll(dir, 0o755) // what uses it tells
	return dir
}
