package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyReadCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "read PATH...", Short: "Read paths at one index, and print the tree reduced to them as one line of JSON", Args: flags.Arguments(cobra.MinimumNArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			root, err := c.Read(ctx, args...)
			if err == nil {
				fmt.Fprintln(out, root)
			}
			return err
		}),
	}
}
