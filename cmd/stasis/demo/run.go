package demo

import (
	"context"
	"errors"
	"time"

	"stasis/client"
	"stasis/internal/network"
	"stasis/minicluster"
)

// Run plays the demo. The error is the first check that failed.
func Run(ctx context.Context, o Options) (err error) {
	if o.People < 1 || o.Writers < 1 || o.Cluster.Coordinators < 1 || o.Cluster.DBServers < 1 || o.Load <= 0 {
		return errors.New("demo: at least one person, one writer, one coordinator, one DB server and some time to write are needed")
	}
	d := &demo{opts: o, began: time.Now()}
	d.title("A cluster")
	if o.Cluster.Mode == minicluster.InProcess { // processes report no steps
		o.Cluster.Seams.Steps = d.step
	}
	if d.cluster, err = minicluster.Start(ctx, o.Cluster); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Stop(ctx, d.cluster)) }()
	for _, act := range []func(context.Context) error{d.meet, d.fill, d.backUpUnderLoad, d.wreck, d.restore, d.prove} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	d.title("Done")
	d.say("Every check passed, %.1f s after the start.", time.Since(d.began).Seconds())
	return nil
}

func (d *demo) meet(ctx context.Context) error {
	if err := d.cluster.Ready(ctx); err != nil {
		return err
	}
	d.opts.Topology(d.cluster)
	_, _, coordinators := d.cluster.Nodes()
	for _, n := range coordinators {
		c, err := client.New(n.URL, client.Options{HTTP: network.NewHTTPClient(network.TCP())})
		if err != nil {
			return err
		}
		d.clients = append(d.clients, c)
	}
	return nil
}
