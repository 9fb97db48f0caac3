package client_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"stasis/minicluster"
)

// endpoint is where the examples have a coordinator.
var endpoint string

// The examples share one small cluster, which is in this process.
func TestMain(m *testing.M) {
	status, err := withCluster(m.Run)
	if err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func withCluster(run func() int) (status int, err error) {
	dir, err := os.MkdirTemp("", "stasis-client-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster, err := minicluster.Start(ctx, minicluster.Options{
		Dir: dir, Agents: 1, DBServers: 1, Coordinators: 1, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		return 1, err
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if serr := cluster.Stop(context.WithoutCancel(ctx)); err == nil {
			err = serr
		}
	}()
	if err := cluster.Ready(ctx); err != nil {
		return 1, err
	}
	_, _, coordinators := cluster.Nodes()
	endpoint = coordinators[0].URL
	return run(), nil
}
