package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyLeaderCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "leader", Short: "Print id and address of the leader", Args: flags.NoArguments,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, _ []string) error {
			members, err := c.Members(ctx)
			for _, m := range members {
				if m.Leader {
					fmt.Fprintln(out, m.ID, m.Endpoint)
				}
			}
			return err
		}),
	}
}
