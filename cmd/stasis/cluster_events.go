package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func clusterEventsCommand(o *clusterOptions) *cobra.Command {
	f := client.Follow{}
	cmd := &cobra.Command{
		Use:   "events [--last N] [--follow]",
		Short: "Show what the supervision decided, and why",
		Args:  flags.NoArguments,
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if f.Last < 0 {
				return fmt.Errorf("--last %d: want a number of events, 0 or more", f.Last)
			}
			n := serverNames(cmd.Context(), c)
			err := c.Decisions(cmd.Context(), f, func(d client.Decision) error {
				if !o.json {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), show.Decision(d, n))
					return err
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(d)
			})
			if cmd.Context().Err() != nil && f.New {
				return nil // the way to end it
			}
			return err
		}),
	}
	cmd.Flags().IntVar(&f.Last, "last", 50, "`number` of events to show, the newest ones")
	cmd.Flags().BoolVar(&f.New, "follow", false, "then show each new event until interrupted")
	return cmd
}
