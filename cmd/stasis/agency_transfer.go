package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyTransferCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "transfer [AGENT]", Short: "Hand the leadership to another agent", Args: flags.Arguments(cobra.MaximumNArgs(1)),
		Long: `Hand the leadership to an agent, named by its name or id. Without a name, to any other agent that can lead.`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, _ io.Writer, args []string) error {
			id := ""
			if len(args) > 0 {
				named, err := agentID(ctx, c, args[0])
				if err != nil {
					return err
				}
				id = named
			}
			return c.TransferLeadership(ctx, id)
		}),
	}
}
