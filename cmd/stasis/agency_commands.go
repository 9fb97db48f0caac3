package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/fsm"
)

func agencyMembersCommand(o *agencyOptions) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "members", Short: "List the agents, who leads, and how the others keep up", Args: cobra.NoArgs}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.RunE = o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, _ []string) error {
		members, err := c.Members(ctx)
		if err != nil {
			return err
		}
		c.AskSilent(ctx, members)
		if asJSON {
			return pretty(out, members)
		}
		return writeMembers(out, members)
	})
	return cmd
}

func writeMembers(out io.Writer, members []agencyclient.Member) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tENDPOINT\tROLE\tSTATE")
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
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.ID, m.Endpoint, role, state)
	}
	return table.Flush()
}

func agencyAddCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "add ID HOST:PORT", Short: "Make an agent a member, or tell where a member is now", Args: usage(cobra.ExactArgs(2)),
		Long: `Make an agent a member, or tell where a member is now.

A new agent is started with "stasis agent --join HOST:PORT", which asks for this by
itself; then this command waits until it votes.`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			if err := c.AddMember(ctx, args[0], "tcp://"+strings.TrimPrefix(args[1], "tcp://")); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s is a member at %s\n", args[0], args[1])
			return nil
		}),
	}
}

func agencyRemoveCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take an agent out of the agency for good", Args: usage(cobra.ExactArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			if err := c.RemoveMember(ctx, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s is no member any more; its data directory can be deleted once it is stopped\n", args[0])
			return nil
		}),
	}
}

func agencyLeaderCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "leader", Short: "Print who leads", Args: cobra.NoArgs,
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

func agencyTransferCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "transfer [ID]", Short: "Hand the leadership to another agent", Args: usage(cobra.MaximumNArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, _ io.Writer, args []string) error {
			return c.TransferLeadership(ctx, strings.Join(args, ""))
		}),
	}
}

func agencyDumpCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "dump [PATH]", Short: "Print the tree, or what lies below a path", Args: usage(cobra.MaximumNArgs(1)),
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
			return pretty(out, node)
		}),
	}
}

func agencyReadCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "read PATH...", Short: "Read paths in one instant; prints the tree reduced to them as one line of JSON", Args: usage(cobra.MinimumNArgs(1)),
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			root, err := c.Read(ctx, args...)
			if err == nil {
				fmt.Fprintln(out, root)
			}
			return err
		}),
	}
}

func agencyWriteCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "write OPERATIONS [PRECONDITIONS]", Short: "Apply one transaction; prints its index", Args: usage(cobra.RangeArgs(1, 2)),
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

func agencyWatchCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "watch [PATH]", Short: "Print changes as they commit, until interrupted", Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			endless := *o
			endless.timeout = 365 * 24 * time.Hour
			err := endless.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
				return watchChanges(ctx, c, out, "/"+strings.Trim(strings.Join(args, ""), "/"))
			})(cmd, args)
			if errors.Is(err, context.Canceled) || cmd.Context().Err() != nil {
				return nil
			}
			return err
		},
	}
}

// watchChanges prints what touches a path: at it, below it, or above it.
func watchChanges(ctx context.Context, c *agencyclient.Client, out io.Writer, path string) error {
	next := uint64(0)
	for {
		got, err := c.Poll(ctx, next, time.Minute)
		if err != nil {
			return err
		}
		if got.ReadDB.Exists() && next > 0 {
			fmt.Fprintf(out, "# changes up to %d are no longer kept\n", got.CommitIndex)
		}
		for _, e := range got.Log {
			if err := writeChange(out, e, path); err != nil {
				return err
			}
		}
		next = max(next, got.CommitIndex+1)
	}
}

// writeChange prints the operations of a change that touch a path, a line for each.
func writeChange(out io.Writer, e fsm.Entry, path string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Query, &fields); err != nil {
		return fmt.Errorf("change %d: %w", e.Index, err)
	}
	stamp := time.UnixMilli(e.Timestamp).UTC().Format("15:04:05.000")
	for _, gone := range e.Expired {
		if touches(gone, path) {
			fmt.Fprintf(out, "%d %s %s expired\n", e.Index, stamp, gone)
		}
	}
	for key, value := range fields {
		if touches(key, path) {
			fmt.Fprintf(out, "%d %s %s %s\n", e.Index, stamp, "/"+strings.TrimLeft(key, "/"), value)
		}
	}
	return nil
}

// touches says whether a change at one path is seen at another.
func touches(changed, path string) bool {
	changed, path = "/"+strings.Trim(changed, "/")+"/", "/"+strings.Trim(path, "/")+"/"
	if path == "//" || changed == "//" {
		return true
	}
	return strings.HasPrefix(changed, path) || strings.HasPrefix(path, changed)
}
