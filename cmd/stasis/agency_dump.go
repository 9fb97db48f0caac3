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

func agencyDumpCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "dump [PATH]", Short: "Print the tree, or what lies below a path", Args: flags.Arguments(cobra.MaximumNArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			path := "/" + strings.Trim(strings.Join(args, ""), "/")
			root, err := c.Read(ctx, path)
			if err != nil {
				return err
			}
			node := root.At(path)
			if !node.Exists() {
				return fmt.Errorf("there is nothing at %s", path)
			}
			return printJSON(out, node)
		}),
	}
}
