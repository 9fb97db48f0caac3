package workload_test

import (
	"context"
	"errors"
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

// run lets clients work while during goes on.
func run(t *testing.T, w workload.Workload, clients []*client.Client, during func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, clients, 10*time.Second) }()
	during()
	stop()
	require.NoError(t, <-ended)
}

// Every workload, on a healthy cluster: a backup that is taken while clients work is one instant, what comes after a
// restore is judged from there, and nothing that was acknowledged is lost.
func TestWorkloads(t *testing.T) {
	for _, about := range workload.List() {
		t.Run(about.Name, func(t *testing.T) {
			inCluster(t, minicluster.Seams{}, func(t *testing.T, net *fault.Network, clients []*client.Client) {
				ctx, h := t.Context(), history.New()
				w, err := workload.New(workload.Spec{Name: about.Name, Seed: 7, Pace: 5 * time.Millisecond}, h)
				require.NoError(t, err)
				require.NoError(t, w.Setup(ctx, clients))
				var made client.CreateResult
				var cut workload.Cut
				backup := func() {
					time.Sleep(500 * time.Millisecond)
					cut.Asked = h.Now()
					made, err = clients[0].Backups().Create(ctx, client.CreateRequest{Label: "busy"})
					require.NoError(t, err)
					cut.Returned = h.Now()
					time.Sleep(500 * time.Millisecond)
				}
				for range 2 {
					run(t, w, clients, backup)
					end, err := w.CheckEnd(ctx, clients[1])
					require.NoError(t, err)
					require.Empty(t, end.Problems)
					restore(t, clients[1], made.ID)
					found, err := w.CheckCut(ctx, clients[0], cut)
					require.NoError(t, err)
					require.Empty(t, found.Problems)
					require.Positive(t, found.Present)
					require.Positive(t, found.Absent)
					require.LessOrEqual(t, found.Earliest, found.Latest)
					require.NoError(t, w.Restored(ctx, clients[0], cut))
					end, err = w.CheckEnd(ctx, clients[1])
					require.NoError(t, err)
					require.Empty(t, end.Problems)
				}
			})
		})
	}
}

func restore(t *testing.T, c *client.Client, id string) {
	t.Helper()
	_, err := c.Backups().Restore(t.Context(), client.RestoreRequest{ID: id})
	require.NoError(t, err)
}
