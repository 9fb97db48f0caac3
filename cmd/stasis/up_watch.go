package main

import (
	"context"
	"fmt"
	"io"

	"stasis/minicluster"
)

// upWatcher reports what happens to a running cluster.
type upWatcher struct {
	cluster     *minicluster.Cluster
	out, errOut io.Writer
	alone       bool // the end of one server is the end
	revives     bool
	orders      upOrders
	changed     func() error // is called when a server was started again
}

// run returns when the cluster shall be stopped, or no longer makes sense.
func (w upWatcher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(w.out, "\nStopping …")
			return nil
		case err := <-w.cluster.Err():
			agents, of, others := w.cluster.Alive()
			switch {
			case w.alone:
				return err
			case agents+others == 0 && !w.revives:
				return fmt.Errorf("no server is left: %w", err)
			}
			fmt.Fprintf(w.errOut, "stasis: %v\nThe other servers go on.%s\n", err, withoutMajority(agents, of))
		case text := <-w.cluster.News():
			fmt.Fprintln(w.errOut, "stasis: "+text)
			if err := w.changed(); err != nil {
				return err
			}
		case text := <-w.orders.told:
			fmt.Fprintln(w.out, "stasis: "+text)
		case <-w.orders.changed:
			if err := w.changed(); err != nil {
				return err
			}
		}
	}
}

// withoutMajority says what it means that so many agents run.
func withoutMajority(agents, of int) string {
	if agents > of/2 {
		return ""
	}
	return fmt.Sprintf(" %d of %d agents run, which is no majority: until more do the leases of the DB servers end, and nothing is served or changed.", agents, of)
}
