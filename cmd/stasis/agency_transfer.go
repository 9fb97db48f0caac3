package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyTransferCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "transfer [ID]", Short: "Hand the leadership to another agent", Args: flags.Arguments(cobra.MaximumNArgs(1)),
		Long: `Hand the leadership to the agent ID. Without ID, to any other agent that can lead.`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, _ io.Writer, args []string) error {
			return c.TransferLeadership(ctx, strings.Join(args, ""))
		}),
	}
}
