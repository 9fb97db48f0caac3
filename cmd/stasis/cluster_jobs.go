package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"stasis/client"
)

func clusterJobsCommand(o *clusterOptions) *cobra.Command {
	cancel, all := false, false
	cmd := &cobra.Command{
		Use:   "jobs [ID] [--cancel]",
		Short: "List the supervision's jobs, show one with its children, or cancel one",
		Args:  usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			if len(args) == 0 && cancel {
				return errors.New("--cancel: which job? stasis cluster jobs lists them")
			}
			if cancel {
				if err := c.Do(cmd.Context(), http.MethodPost, "/_admin/cluster/cancelAgencyJob", map[string]string{"id": args[0]}, nil); err != nil {
					return err
				}
			}
			return o.showJobs(cmd, c, args, all)
		},
	}
	cmd.Flags().BoolVar(&cancel, "cancel", false, "ask the supervision to give the job up (moves and clean-outs only)")
	cmd.Flags().BoolVar(&all, "all", false, "list also those that are over")
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
	n := shortNames(cmd.Context(), c)
	for _, j := range shown {
		fmt.Fprintln(cmd.OutOrStdout(), jobLine(j, n))
	}
	if len(shown) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to do and nothing under way")
	}
	return nil
}
