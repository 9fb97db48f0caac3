package minicluster_test

import (
	"context"
	"fmt"
	"net/http"

	"stasis/client"
	"stasis/fault"
	"stasis/minicluster"
)

// inMemory starts a small cluster that is all in memory, and gives a client of it.
func inMemory(ctx context.Context) (cluster *minicluster.Cluster, c *client.Client, stop func(), err error) {
	net := fault.NewNetwork()
	web := &http.Transport{DialContext: net.Host("client").DialContext}
	cluster, err = minicluster.Start(ctx, minicluster.Options{
		Agents: 1, DBServers: 2, Coordinators: 1,
		Seams: minicluster.Seams{Network: net.Host, Disks: fault.NewDisks().FS},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	stop = func() {
		web.CloseIdleConnections()
		_ = cluster.Stop(context.Background())
		_ = net.Close()
	}
	if err = cluster.Ready(ctx); err == nil {
		_, _, coordinators := cluster.Nodes()
		c, err = client.New(coordinators[0].URL, client.Options{HTTP: &http.Client{Transport: web}})
	}
	if err != nil {
		stop()
	}
	return cluster, c, stop, err
}

// A cluster in memory takes a document; a DB server is killed and comes back.
func ExampleStart() {
	ctx := context.Background()
	cluster, c, stop, err := inMemory(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	db := c.Database("")
	if err := db.CreateCollection(ctx, "books", 3); err != nil {
		fmt.Println(err)
		return
	}
	for i := range 10 {
		if err := db.Put(ctx, "books", map[string]any{"_key": fmt.Sprint(i)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := cluster.Kill("dbserver-1"); err != nil {
		fmt.Println(err)
		return
	}
	agents, of, others := cluster.Alive()
	fmt.Printf("%d of %d agents and %d other servers run\n", agents, of, others)
	if err := cluster.Restart(ctx, "dbserver-1"); err != nil {
		fmt.Println(err)
		return
	}
	n, err := db.Count(ctx, "books")
	fmt.Println(n, "books", err)
	// Output:
	// 1 of 1 agents and 2 other servers run
	// 10 books <nil>
}
