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

func agencyAddCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "add ID HOST:PORT", Short: "Make an agent a member, or change the address of a member", Args: flags.Arguments(cobra.ExactArgs(2)),
		Long: `Make an agent a member, or change the address of a member.

An agent that is started with "stasis agent --join HOST:PORT" asks for this by itself.
The command waits until the agent votes.`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			if err := c.AddMember(ctx, args[0], "tcp://"+strings.TrimPrefix(args[1], "tcp://")); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s is a member at %s\n", args[0], args[1])
			return nil
		}),
	}
}
