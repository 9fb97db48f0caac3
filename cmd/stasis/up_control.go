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
	orders  upOrders
}

// upOrders tell who waits for the cluster to end what controllers do to it.
type upOrders struct {
	changed chan struct{} // one token: a server was killed or started
	told    chan string   // what was done, in words; a slow reader misses some
}

func newUpOrders() upOrders { return upOrders{make(chan struct{}, 1), make(chan string, 64)} }

// tell notes an order that was carried out.
func (u upOrders) tell(o control.Order, a control.Answer) {
	done := map[control.Verb]string{
		control.NodeKill: "was killed, as was ordered: it stays down until it is restarted", control.NodePause: "is paused, as was ordered",
		control.NodeResume: "goes on, as was ordered", control.NodeRestart: "was restarted, as was ordered",
	}[o.Do]
	if done == "" {
		return
	}
	for _, n := range a.Nodes {
		select {
		case u.told <- n.Name + " " + done:
		default:
		}
	}
	select {
	case u.changed <- struct{}{}:
	default: // there is one
	}
}

// serveControl serves the socket in the cluster's directory, and enters the cluster where commands without --dir look for
// it. close takes both away.
func serveControl(ctx context.Context, dir string, c *minicluster.Cluster, orders upOrders) (closing func() error, err error) {
	s, err := control.Serve(context.WithoutCancel(ctx), filepath.Join(dir, control.ClusterName), upControl{c.Control(), orders})
	if err != nil {
		return nil, err
	}
	leave, err := enterRegistry(dir)
	if err != nil { // another user may have taken the name: the cluster is worth more than the list
		orders.told <- fmt.Sprintf("not in the list of running clusters: stasis node and the like need --dir %s: %v", dir, err)
		return s.Close, nil
	}
	return func() error { return errors.Join(leave(), s.Close()) }, nil
}

// Handle implements [control.Handler].
func (u upControl) Handle(ctx context.Context, s *control.Session, o control.Order) (control.Answer, error) {
	a, err := u.handler.Handle(ctx, s, o)
	if err == nil {
		u.orders.tell(o, a)
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
