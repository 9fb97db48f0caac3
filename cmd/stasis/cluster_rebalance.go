package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"stasis/client"
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
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				return o.planRebalance(cmd)
			}
			return o.rebalance(cmd)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the moves")
	o.addWait(cmd)
	return cmd
}

// rebalance has moves made until there is nothing to move any more: a shard moves
// once per round.
func (o *clusterOptions) rebalance(cmd *cobra.Command) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	var over []client.Job
	for range maxRounds {
		var answer struct {
			IDs []string `json:"ids"`
		}
		if err := c.Do(cmd.Context(), http.MethodPost, "/_admin/cluster/rebalanceShards", struct{}{}, &answer); err != nil {
			return err
		}
		if o.json && !o.wait {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		if !o.json {
			fmt.Fprintf(cmd.OutOrStdout(), "%d moves\n", len(answer.IDs))
		}
		if len(answer.IDs) == 0 || !o.wait {
			break
		}
		done, err := o.awaitJobs(cmd, c, answer.IDs...)
		if over = append(over, done...); err != nil {
			return err
		}
		if slices.ContainsFunc(done, func(j client.Job) bool { return j.Status == client.JobFailed }) {
			break
		}
	}
	return o.conclude(cmd, over)
}

func (o *clusterOptions) planRebalance(cmd *cobra.Command) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	var answer struct {
		Result struct {
			Moves []struct {
				Database string `json:"database"`
				Shard    string `json:"shard"`
				From     string `json:"from"`
				To       string `json:"to"`
				IsLeader bool   `json:"isLeader"`
			} `json:"moves"`
		} `json:"result"`
	}
	request := map[string]any{"version": 1, "moveLeaders": true, "moveFollowers": true}
	if err := c.Do(cmd.Context(), http.MethodPost, "/_admin/cluster/rebalance", request, &answer); err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), answer.Result)
	}
	n := shortNames(cmd.Context(), c)
	for _, m := range answer.Result.Moves {
		what := "follower"
		if m.IsLeader {
			what = "leader"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: %s from %s to %s\n", m.Shard, m.Database, what, n.of(m.From), n.of(m.To))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d moves\n", len(answer.Result.Moves))
	return nil
}
