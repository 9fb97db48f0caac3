// Package demo is the story that `stasis demo` plays: a cluster is filled, backed up while
// writers write, wrecked, restored, and checked for being exactly the state of one instant.
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// Options say what to play.
type Options struct {
	Cluster  minicluster.Options
	People   int           // documents to load
	Writers  int           // of each kind
	Load     time.Duration // how long they write; the backup is taken in the middle
	Out      io.Writer
	Topology func(*minicluster.Cluster) // prints the cluster
	Stop     func(context.Context, *minicluster.Cluster) error
}

// demo is one run: the cluster and what has been found out so far.
type demo struct {
	opts    Options
	began   time.Time
	cluster *minicluster.Cluster
	clients []*client.Client // one for each coordinator
	history *history.History
	loads   []workload.Workload
	people  peopleSum
	cut     workload.Cut // when the backup was asked for and had returned
	backup  client.CreateResult
}

type peopleSum struct {
	count int
	sum   string
}

func (d *demo) title(text string) { fmt.Fprintf(d.opts.Out, "\n== %s\n", text) }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.opts.Out, "   "+format+"\n", args...) }

func (d *demo) blank() { fmt.Fprintln(d.opts.Out) }

// step prints the steps of backup and restore as they happen.
func (d *demo) step(_ context.Context, e event.Event) {
	if e.Progress() {
		d.say("%8.3f s  %s", e.At.Sub(d.began).Seconds(), e)
	}
}

// Collections of the demo: people are in the database of the same name, the others are those of the writers.
const (
	database         = "demo"
	peopleCollection = "people"
	journal          = "lab-chain"
	accounts         = "lab-bank"
)

func (d *demo) db(i int) *client.Database {
	return d.clients[i%len(d.clients)].Database(database)
}
