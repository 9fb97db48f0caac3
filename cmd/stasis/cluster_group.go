package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func clusterCommand() *cobra.Command {
	o := &clusterOptions{}
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Move shards, clean out and remove servers, rebalance, pause the supervision",
	}
	all := []*cobra.Command{
		clusterMoveCommand(o), clusterCleanOutCommand(o), clusterResignCommand(o), clusterRemoveCommand(o),
		clusterRebalanceCommand(o), clusterMaintenanceCommand(o), clusterEventsCommand(o), clusterJobsCommand(o),
	}
	for _, sub := range all {
		o.coordinator.Add(sub)
		sub.Flags().BoolVar(&o.json, "json", false, "print as JSON")
	}
	return flags.Group(cmd, all...)
}
