package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

// maxRounds bounds how often a rebalancing is asked for again.
const maxRounds = 10

func clusterRebalanceCommand(o *clusterOptions) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "Spread leaders and followers evenly over the DB servers",
		Long: `Spread leaders and followers evenly over the DB servers, with few moves: leadership
alone where followers can take over, data where that is not enough.`,
		Args: flags.NoArguments,
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if dryRun {
				return o.planRebalance(cmd, c)
			}
			return o.rebalance(cmd, c)
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the moves")
	o.addWait(cmd)
	return cmd
}

// rebalance asks for moves until there is none left: a shard moves once in a round.
func (o *clusterOptions) rebalance(cmd *cobra.Command, c *client.Client) error {
	var over []client.Job
	for range maxRounds {
		ids, err := c.Cluster().Rebalance(cmd.Context())
		if err != nil {
			return err
		}
		if o.json && !o.wait {
			return printJSON(cmd.OutOrStdout(), map[string][]string{"ids": ids})
		}
		if !o.json {
			fmt.Fprintf(cmd.OutOrStdout(), "%d moves\n", len(ids))
		}
		if len(ids) == 0 || !o.wait {
			break
		}
		done, err := o.awaitJobs(cmd, c, ids...)
		if over = append(over, done...); err != nil {
			return err
		}
		if slices.ContainsFunc(done, func(j client.Job) bool { return j.Status == client.JobFailed }) {
			break
		}
	}
	return o.conclude(cmd, over)
}

func (o *clusterOptions) planRebalance(cmd *cobra.Command, c *client.Client) error {
	moves, err := c.Cluster().PlanRebalance(cmd.Context())
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), map[string][]client.Move{"moves": moves})
	}
	n := serverNames(cmd.Context(), c)
	for _, m := range moves {
		what := "follower"
		if m.IsLeader {
			what = "leader"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: %s from %s to %s\n", m.Shard, m.Database, what, n.Of(m.From), n.Of(m.To))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d moves\n", len(moves))
	return nil
}
