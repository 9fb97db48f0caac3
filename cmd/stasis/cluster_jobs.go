package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func clusterJobsCommand(o *clusterOptions) *cobra.Command {
	cancel, all := false, false
	cmd := &cobra.Command{
		Use:   "jobs [ID] [--cancel]",
		Short: "List the supervision's jobs, show one with its children, or cancel one",
		Args:  flags.Arguments(cobra.MaximumNArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if len(args) == 0 && cancel {
				return errors.New("--cancel needs the id of a job; \"stasis cluster jobs\" lists them")
			}
			if cancel {
				if err := c.Cluster().CancelJob(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			return o.showJobs(cmd, c, args, all)
		}),
	}
	cmd.Flags().BoolVar(&cancel, "cancel", false, "ask the supervision to give the job up (moves and clean-outs only)")
	cmd.Flags().BoolVar(&all, "all", false, "also list jobs that are over")
	return cmd
}

func (o *clusterOptions) showJobs(cmd *cobra.Command, c *client.Client, args []string, all bool) error {
	id := ""
	if len(args) > 0 {
		id, all = args[0], true
	}
	jobs, err := c.Jobs(cmd.Context(), id)
	if err != nil {
		return err
	}
	if id != "" && len(jobs) == 0 {
		return fmt.Errorf("there is no job %s", id)
	}
	shown := []client.Job{}
	for _, j := range jobs {
		if all || !j.Over() {
			shown = append(shown, j)
		}
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), client.Jobs{Jobs: shown})
	}
	n := serverNames(cmd.Context(), c)
	for _, j := range shown {
		fmt.Fprintln(cmd.OutOrStdout(), show.Job(j, n))
	}
	if len(shown) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "no job is waiting or running")
	}
	return nil
}
