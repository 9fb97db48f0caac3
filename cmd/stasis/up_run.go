package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/minicluster"
)

func upCommand() *cobra.Command {
	o := upOptions{degraded: true}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a local cluster and keep it running until Ctrl-C",
		Long: `Start a local cluster and keep it running until Ctrl-C.

A cluster that exists starts without servers that are broken if a majority of its
agents, a DB server and a coordinator run. The output names the broken ones, with the
reason. If a server ends, the others go on. The exit status is 1 if at the end a server
does not run because it has failed. A server that was killed (SIGKILL) has not failed.
One that ended in another way before Ctrl-C, also after SIGTERM, has.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd, o) },
	}
	o.rules.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "`directory` of the cluster; the same directory is the same cluster (default: a temporary one, removed afterwards)")
	f.StringVar(&o.mode, "mode", "inprocess", "run in `mode` inprocess (all roles in this process) or processes (each a process of its own that can be killed)")
	f.IntVar(&o.agents, "agents", 3, "`number` of agents")
	f.IntVar(&o.dbservers, "dbservers", 3, "`number` of DB servers")
	f.IntVar(&o.coordinators, "coordinators", 2, "`number` of coordinators")
	f.IntVar(&o.basePort, "base-port", 8529, "`port` of the first coordinator; DB servers follow from +100, agents from +200; 0: free ports, chosen once")
	f.StringVar(&o.readyFile, "ready-file", "", "`file` to which to write ids, URLs and process ids as JSON when all servers are healthy")
	f.StringVar(&o.logLevel, "log-level", "error", "`level` of the log on standard error: trace, debug, info, warn or error. With --mode processes each server logs to a file in the directory, at level info")
	f.BoolVar(&o.restart, "restart", false, "start a server again that has ended or cannot be started, after 1 s and then after pauses that grow to 1 min. A server that ended with status 0, as after SIGTERM, stays down. With --mode inprocess a server that fails is started again, but a crash of this process ends all of them")
	f.BoolVar(&o.lab, "lab", false, "let \"stasis net\" and \"stasis disk\" break what the servers stand on while they run. For fault injection: its user and root may break the cluster")
	o.logs.Add(cmd)
	o.pages.Add(cmd)
	return cmd
}

func runUp(cmd *cobra.Command, o upOptions) (err error) {
	outside, _ := flags.EngineMemory()
	flags.BoundMemory(outside)
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	dir, remove, err := o.place()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if cmd.Name() == "up" {
		if err := o.remember(dir, cmd.Flags().Changed); err != nil {
			return err
		}
	}
	opts, err := o.cluster(dir, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if o.readyFile != "" { // one of an earlier run would say that this one is ready
		if err := clearReady(o.readyFile); err != nil {
			return err
		}
	}
	began := time.Now()
	c, err := minicluster.Start(ctx, opts)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; stop what is there, or choose other ports with --%s", err, portFlag(cmd))
	}
	if err != nil {
		return notReady(ctx, err)
	}
	defer func() {
		if serr := stopCluster(ctx, c); err == nil { // else it would be told twice
			err = serr
		}
	}()
	orders := newUpOrders()
	closeControl, err := serveControl(ctx, dir, c, orders)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeControl()) }()
	if err := c.Ready(ctx); err != nil { // it says what is missing, also when it was interrupted
		return err
	}
	printTopology(out, c)
	fmt.Fprint(out, labNotice(c), readyText(time.Since(began), dir, o.dir == ""))
	ready := func() error { return nil }
	if o.readyFile != "" {
		ready = func() error { return writeReady(ctx, o.readyFile, c) }
		defer func() { err = errors.Join(err, removeIfThere(o.readyFile)) }()
	}
	if err := ready(); err != nil {
		return err
	}
	w := upWatcher{cluster: c, out: out, errOut: cmd.ErrOrStderr(), alone: !o.degraded, revives: o.restart, changed: ready, orders: orders}
	return w.run(ctx)
}

// readyText says what the user of a cluster that is ready has to know.
func readyText(took time.Duration, dir string, temporary bool) string {
	text := fmt.Sprintf("\nReady after %.1f s. Data in %s", took.Seconds(), dir)
	if temporary {
		text += " (temporary: gone after Ctrl-C; --dir keeps it)"
	}
	return text + ".\n\"stasis node\" kills, pauses and restarts servers, from another terminal. Ctrl-C stops everything.\n"
}
