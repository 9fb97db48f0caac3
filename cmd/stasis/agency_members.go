package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/cmd/stasis/flags"
)

func agencyMembersCommand(o *agencyOptions) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "members", Short: "List the agents, which of them leads, and how the others keep up", Args: flags.NoArguments}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.RunE = o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, _ []string) error {
		members, err := c.Members(ctx)
		if err != nil {
			return err
		}
		c.AskSilent(ctx, members)
		c.AskNames(ctx, members)
		if asJSON {
			return printJSON(out, members)
		}
		return writeMembers(out, members)
	})
	return cmd
}

func writeMembers(out io.Writer, members []agencyclient.Member) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tID\tENDPOINT\tROLE\tSTATE")
	for _, m := range members {
		role, state := "follower", "keeps up"
		switch {
		case m.Leader:
			role, state = "leader", "serves"
			if m.Alarm != "" {
				state = "serves; ALARM: " + m.Alarm
			}
		case m.DiskHangs != nil:
			state = m.DiskHangs.String()
		case !m.Heard:
			state = "never heard by this leader"
		case m.SilentSeconds > 5:
			state = fmt.Sprintf("silent for %.0f s", m.SilentSeconds)
		case m.Lag > 0:
			state = fmt.Sprintf("%d entries behind", m.Lag)
		}
		if !m.Voter {
			role = "learner, no vote yet"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", cmp.Or(m.Name, "-"), m.ID, m.Endpoint, role, state)
	}
	return table.Flush()
}
