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
	flag.StringVar(&extra, "agent-flags", "", "more flags for the agents, with blanks")
	flag.Parse()
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

// compare gives every system its turn, round after round, and prints the medians.
func compare(ctx context.Context, o options) error {
	all := results{}
	for round := range o.rounds {
		for _, s := range systems(o) {
			if o.only != "" && !strings.Contains(","+o.only+",", ","+s.name+",") {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, s.name)
			if err := turn(ctx, o, s, all); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	all.print(os.Stdout, o)
	return nil
}

// turn starts a system on an empty disk, asks it, and ends it.
func turn(ctx context.Context, o options, s system, all results) (err error) {
	dir, err := os.MkdirTemp(mkdir(o.dir), s.name+"-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	m, err := start(ctx, s, dir)
	if err != nil {
		return err
	}
	defer m.kill()
	for _, n := range o.clients {
		t, err := s.connect(ctx, m, n)
		if err != nil {
			return err
		}
		for _, kind := range []string{"write", "read"} {
			f, err := measure(ctx, t, kind, n, o.length, m.cpu)
			if err != nil {
				t.close()
				return fmt.Errorf("%s by %d clients: %w", kind, n, err)
			}
			fmt.Fprintf(os.Stderr, "  %-5s %3d clients: %8.0f/s  p50 %s  p99 %s  cpu %s\n", kind, n, f.rate, f.p50, f.p99, f.cpu)
			all.add(s.name, kind, n, f)
		}
		t.close()
	}
	return nil
}

func mkdir(dir string) string {
	_ = os.MkdirAll(dir, 0o755) // what uses it tells
	return dir
}
