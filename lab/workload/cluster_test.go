package workload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// inCluster runs a test with clients of a cluster in a bubble. Everything takes a moment there: without latency
// all of a run is one instant.
func inCluster(t *testing.T, seams minicluster.Seams, test func(t *testing.T, net *fault.Network, clients []*client.Client)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		net, disks := fault.NewNetwork(), fault.NewDisks()
		web := &http.Transport{DialContext: net.Host("client").DialContext}
		seams.Network, seams.Disks = net.Host, disks.FS
		c, err := minicluster.Start(t.Context(), minicluster.Options{Agents: 3, DBServers: 3, Coordinators: 2, Seams: seams})
		require.NoError(t, err)
		defer func() { // also when the test fails: the bubble would complain of what is left, and of nothing else
			net.HealAll()
			web.CloseIdleConnections()
			if err := errors.Join(c.Stop(context.Background()), net.Close()); err != nil {
				t.Error(err)
			}
		}()
		require.NoError(t, c.Ready(t.Context()))
		var clients []*client.Client
		_, _, coordinators := c.Nodes()
		for _, n := range coordinators {
			cl, err := client.New(n.URL, client.Options{HTTP: &http.Client{Transport: web}})
			require.NoError(t, err)
			clients = append(clients, cl)
		}
		test(t, net, clients)
	})
}

// loads are all workloads on one cluster.
type loads struct {
	t       *testing.T
	h       *history.History
	clients []*client.Client
	all     []workload.Workload
}

// everything sets all workloads up.
func everything(t *testing.T, h *history.History, clients []*client.Client, pace time.Duration) *loads {
	l := &loads{t: t, h: h, clients: clients}
	for _, about := range workload.List() {
		w, err := workload.New(workload.Spec{Name: about.Name, Clients: 2, Shards: 2, Seed: 7, Pace: pace}, l.h)
		require.NoError(t, err)
		require.NoError(t, w.Setup(t.Context(), clients))
		l.all = append(l.all, w)
	}
	return l
}

// run lets clients work while during goes on.
func (l *loads) run(during func()) {
	l.t.Helper()
	ctx, stop := context.WithCancel(l.t.Context())
	ended := make(chan error, len(l.all))
	for _, w := range l.all {
		go func() { ended <- w.Run(ctx, l.clients, 10*time.Second) }()
	}
	during()
	stop()
	for range l.all {
		require.NoError(l.t, <-ended)
	}
}

// hold demands that nothing is lost.
func (l *loads) hold() {
	l.t.Helper()
	for _, w := range l.all {
		found, err := w.CheckEnd(l.t.Context(), l.clients[1])
		require.NoError(l.t, err)
		require.Empty(l.t, found.Problems, w.Spec().Name)
	}
}

// backup takes a backup.
func (l *loads) backup() (id string, cut workload.Cut) {
	l.t.Helper()
	cut.Asked = l.h.Now()
	made, err := l.clients[0].Backups().Create(l.t.Context(), client.CreateRequest{Label: "busy"})
	require.NoError(l.t, err)
	cut.Returned = l.h.Now()
	return made.ID, cut
}

// restore restores a backup and judges it.
func (l *loads) restore(id string, cut workload.Cut) {
	l.t.Helper()
	ctx := l.t.Context()
	_, err := l.clients[1].Backups().Restore(ctx, client.RestoreRequest{ID: id})
	require.NoError(l.t, err)
	for _, w := range l.all {
		found, err := w.CheckCut(ctx, l.clients[0], cut)
		require.NoError(l.t, err)
		require.Empty(l.t, found.Problems, w.Spec().Name)
		require.Positive(l.t, found.Present, w.Spec().Name)
		require.Positive(l.t, found.Absent, w.Spec().Name)
		require.LessOrEqual(l.t, found.Earliest, found.Latest)
		require.NoError(l.t, w.Restored(ctx, l.clients[0], cut))
	}
}

// Every workload, on a healthy cluster: a backup that is taken while clients work is one instant, what comes after a
// restore is judged from there, and nothing that was acknowledged is lost.
func TestWorkloads(t *testing.T) {
	inCluster(t, minicluster.Seams{}, func(t *testing.T, _ *fault.Network, clients []*client.Client) {
		l := everything(t, history.New(), clients, 20*time.Millisecond)
		for range 2 {
			var id string
			var cut workload.Cut
			l.run(func() {
				time.Sleep(100 * time.Millisecond)
				id, cut = l.backup()
				time.Sleep(100 * time.Millisecond)
			})
			l.hold()
			l.restore(id, cut)
			l.hold()
		}
	})
}

// Every workload, while answers are lost: what clients do not know is judged either way, what they know has to hold. The
// history as a file has it judges the same.
func TestWorkloadsUnderFaults(t *testing.T) {
	inCluster(t, minicluster.Seams{}, func(t *testing.T, net *fault.Network, clients []*client.Client) {
		var file bytes.Buffer
		l := everything(t, history.Open(history.Options{Stream: &file}), clients, 20*time.Millisecond)
		l.run(func() {
			for i := range 3 {
				time.Sleep(100 * time.Millisecond)
				for _, coordinator := range []string{"coordinator-1", "coordinator-2"} {
					net.Delay(coordinator, fmt.Sprintf("dbserver-%d", i%3+1), 30*time.Millisecond)
				}
				time.Sleep(50 * time.Millisecond)
				net.Reset("client", fmt.Sprintf("coordinator-%d", i%2+1))
				net.HealAll()
			}
			time.Sleep(100 * time.Millisecond)
		})
		require.Positive(t, l.h.Tally().Info, "no answer was lost")
		l.hold()
		again, err := history.Parse(&file)
		require.NoError(t, err)
		recorded, err := workload.Recorded(again)
		require.NoError(t, err)
		require.Len(t, recorded, len(l.all))
		l.all = recorded
		l.hold()
		l.run(func() { time.Sleep(100 * time.Millisecond) }) // under process numbers that the file has not
		l.hold()
	})
}
