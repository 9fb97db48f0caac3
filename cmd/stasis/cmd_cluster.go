package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
)

// clusterOptions are those that all cluster commands share.
type clusterOptions struct {
	endpointOptions
	json bool
	wait bool
}

func clusterCommand() *cobra.Command {
	o := &clusterOptions{}
	cmd := &cobra.Command{
		Use:   "cluster move|clean-out|resign|remove|rebalance|maintenance|events|jobs",
		Short: "Move shards, clean out and remove servers, rebalance, pause the supervision",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			const those = "move, clean-out, resign, remove, rebalance, maintenance, events or jobs"
			if len(args) == 0 {
				return errors.New("cluster: say what to do: " + those)
			}
			return fmt.Errorf("cluster: unknown command %q; want %s", args[0], those)
		},
	}
	for _, sub := range []*cobra.Command{
		clusterMoveCommand(o), clusterCleanOutCommand(o), clusterResignCommand(o), clusterRemoveCommand(o),
		clusterRebalanceCommand(o), clusterMaintenanceCommand(o), clusterEventsCommand(o), clusterJobsCommand(o),
	} {
		o.addFlags(sub)
		sub.Flags().BoolVar(&o.json, "json", false, "print as JSON")
		cmd.AddCommand(sub)
	}
	return cmd
}

// addWait adds the flag of commands that start jobs.
func (o *clusterOptions) addWait(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.wait, "wait", true, "wait until it is done, and show what it waits for")
}

// startJob starts a job, and waits for its end if that is wanted.
func (o *clusterOptions) startJob(cmd *cobra.Command, what string, request any) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	id, err := c.StartJob(cmd.Context(), what, request)
	if err != nil {
		return err
	}
	return o.started(cmd, c, id)
}

func (o *clusterOptions) started(cmd *cobra.Command, c *client.Client, id string) error {
	if o.wait {
		over, err := o.awaitJobs(cmd, c, id)
		if err != nil {
			return err
		}
		return o.conclude(cmd, over)
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string]string{"id": id})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "job %s; how it stands: stasis cluster jobs %s\n", id, id)
	return nil
}
