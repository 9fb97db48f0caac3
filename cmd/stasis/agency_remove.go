package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyRemoveCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "remove AGENT", Short: "Take an agent out of the agency for good", Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			id, err := agentID(ctx, c, args[0])
			if err != nil {
				return err
			}
			if err := c.RemoveMember(ctx, id); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s is no member any more; its data directory can be deleted once it is stopped\n", id)
			return nil
		}),
	}
}
