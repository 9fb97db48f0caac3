// Package example has tests of a program that keeps its data in a Stasis cluster. They are to be copied: the
// module uses the public packages of Stasis only, and nothing else.
package example

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"stasis/client"
	"stasis/fault"
	"stasis/minicluster"
)

// lab is a cluster that a test can break: three agents, three DB servers and two coordinators, all in memory.
type lab struct {
	*testing.T
	cluster *minicluster.Cluster
	net     *fault.Network
	disks   *fault.Disks
	at      *fault.Triggers
	clients []*client.Client // one for each coordinator
}

// inLab runs a test on a cluster of its own in a bubble of testing/synctest. Time there is virtual: it
// jumps to the next timer when everything waits, so that leases of seconds end in milliseconds. Network, disks and agents are
// in memory; seams may have more.
func inLab(t *testing.T, seams minicluster.Seams, test func(*lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, net: fault.NewNetwork(), disks: fault.NewDisks(), at: &fault.Triggers{}}
		web := &http.Transport{DialContext: l.net.Host("client").DialContext}
		seams.Network, seams.Disks, seams.Steps = l.net.Host, l.disks.FS, l.at.Sink
		var err error
		l.cluster, err = minicluster.Start(t.Context(), minicluster.Options{
			Agents: 3, DBServers: 3, Coordinators: 2, Seams: seams,
		})
		l.must(err)
		defer func() { // a bubble ends when no goroutine is left in it
			l.net.HealAll()
			l.disks.HealAll()
			web.CloseIdleConnections()
			if err := errors.Join(l.cluster.Stop(context.Background()), l.net.Close()); err != nil {
				t.Error(err)
			}
		}()
		l.must(l.cluster.Ready(t.Context()))
		_, _, coordinators := l.cluster.Nodes()
		for _, n := range coordinators {
			c, err := client.New(n.URL, client.Options{HTTP: &http.Client{Transport: web}})
			l.must(err)
			l.clients = append(l.clients, c)
		}
		test(l)
	})
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// eventually waits, in virtual time, until look finds nothing wrong.
func (l *lab) eventually(limit time.Duration, look func() error) {
	l.Helper()
	err := look()
	for begun := time.Now(); err != nil && time.Since(begun) < limit; err = look() {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		l.Fatalf("still so after %v: %v", limit, err)
	}
}

// orders writes n documents, which are on all DB servers.
func (l *lab) orders(n int) {
	l.Helper()
	db := l.clients[1].Database("")
	l.must(db.EnsureCollection(l.Context(), "orders", client.Layout{Shards: 6, ReplicationFactor: 2}))
	for i := range n {
		l.must(db.Put(l.Context(), "orders", order{Key: fmt.Sprint(i), Total: i}))
	}
}

type order struct {
	Key   string `json:"_key"`
	Total int    `json:"total"`
}
