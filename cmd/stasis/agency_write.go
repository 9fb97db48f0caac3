package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyWriteCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "write OPERATIONS [PRECONDITIONS]", Short: "Apply one transaction, and print its index", Args: flags.Arguments(cobra.RangeArgs(1, 2)),
		Example: `  stasis agency write '{"/jobs/7":{"op":"set","new":"mine"}}' '{"/jobs/7":{"oldEmpty":true}}'`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			tx, err := agencyclient.Written([]byte(args[0]), []byte(strings.Join(args[1:], "")))
			if err != nil {
				return err
			}
			index, err := c.Write(ctx, tx)
			if err == nil {
				fmt.Fprintln(out, index)
			}
			return err
		}),
	}
}
