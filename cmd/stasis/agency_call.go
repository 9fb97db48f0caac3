package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

// agencyOptions say which agents to ask, and how long.
type agencyOptions struct {
	agents  flags.Agents
	timeout time.Duration
}

// agencyCall is what one of the commands does.
type agencyCall func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error

// run makes a cobra function of a call, and explains why an agency has no leader.
func (o *agencyOptions) run(call agencyCall) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := o.agents.Check(); err != nil {
			return err
		}
		c, done := o.agents.Client()
		defer done()
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		err := call(ctx, c, cmd.OutOrStdout(), args)
		if errors.Is(err, agencyclient.ErrUnavailable) {
			return errors.New(diagnose(context.WithoutCancel(cmd.Context()), c, o.agents.URLs()))
		}
		return err
	}
}
