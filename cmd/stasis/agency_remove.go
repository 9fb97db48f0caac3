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
		Use: "remove ID", Short: "Take an agent out of the agency for good", Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			if err := c.RemoveMember(ctx, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s is no member any more; its data directory can be deleted once it is stopped\n", args[0])
			return nil
		}),
	}
}
