package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"stasis/fault/control"
	"stasis/minicluster"
)

// upControl is the socket of a running cluster: stasis node, net and disk send their orders to it.
type upControl struct {
	handler control.Handler
	changed chan<- struct{} // one token: a server was killed or started
}

// serveControl serves the socket in the cluster's directory, and enters the cluster where commands without --dir look for
// it. close takes both away.
func serveControl(ctx context.Context, dir string, c *minicluster.Cluster, changed chan<- struct{}) (closing func() error, err error) {
	s, err := control.Serve(context.WithoutCancel(ctx), filepath.Join(dir, control.ClusterName), upControl{c.Control(), changed})
	if err != nil {
		return nil, err
	}
	leave, err := enterRegistry(dir)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return func() error { return errors.Join(leave(), s.Close()) }, nil
}

// Handle implements [control.Handler].
func (u upControl) Handle(ctx context.Context, s *control.Session, o control.Order) (control.Answer, error) {
	a, err := u.handler.Handle(ctx, s, o)
	if err == nil && (o.Do == control.NodeKill || o.Do == control.NodeRestart) {
		select {
		case u.changed <- struct{}{}:
		default: // there is one
		}
	}
	return a, err
}

// labNotice says loudly what a cluster is that takes faults.
func labNotice(c *minicluster.Cluster) string {
	if c.Lab() == nil {
		return ""
	}
	return fmt.Sprintf("  %-13s %s\n", "FAULTS", "THIS CLUSTER TAKES FAULTS (--lab): \"stasis net\", \"disk\" and \"step\" break it")
}
