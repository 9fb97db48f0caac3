package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/demo"
	"stasis/cmd/stasis/flags"
	"stasis/minicluster"
)

func demoCommand() *cobra.Command {
	var up upOptions
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a hot backup under load, a disaster, and the restore of one instant",
		Long: `Start a cluster, fill it, take a hot backup while writers write, destroy data,
restore, and prove that exactly the state of one instant has come back. The exit
status is 1 if any check fails. Nothing is left behind.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return interrupted(cmd.Context(), runDemo(cmd, up, o)) },
	}
	f := cmd.Flags()
	f.StringVar(&up.mode, "mode", "inprocess", "run in `mode` inprocess or processes")
	f.IntVar(&up.agents, "agents", 3, "`number` of agents")
	f.IntVar(&up.dbservers, "dbservers", 3, "`number` of DB servers")
	f.IntVar(&up.coordinators, "coordinators", 2, "`number` of coordinators")
	f.IntVar(&o.People, "people", 10000, "`number` of people to load")
	f.IntVar(&o.Writers, "writers", 4, "`number` of writers of each kind: inserts across shards, transfers between accounts")
	f.DurationVar(&o.Load, "load", 3*time.Second, "`time` to write; the backup is taken in the middle")
	f.StringVar(&up.logLevel, "log-level", "error", "`level` of the log: trace, debug, info, warn or error")
	return cmd
}

func runDemo(cmd *cobra.Command, up upOptions, o demo.Options) (err error) {
	dir, remove, err := clusterDir("", "stasis-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if o.Cluster, err = up.cluster(dir, cmd.ErrOrStderr()); err != nil {
		return err
	}
	o.Cluster.BasePort = 0
	o.Out, o.Stop = cmd.OutOrStdout(), stopCluster
	o.Topology = func(c *minicluster.Cluster) { printTopology(o.Out, c) }
	return demo.Run(cmd.Context(), o)
}
