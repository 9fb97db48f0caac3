package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"stasis/agency/recovery"
	"stasis/cmd/stasis/flags"
)

// agencyRecoverCommand works on a directory: there is no agency to ask.
func agencyRecoverCommand() *cobra.Command {
	var o recovery.Options
	cmd := &cobra.Command{
		Use: "recover --dir DIR", Short: "Go on from one agent's data directory after a majority of the others is lost for good", Args: flags.NoArguments,
		Long: `Go on from one agent's data directory after a majority of the others is lost for good.

The agent must not run. It becomes the only member of the agency's next incarnation,
with everything that is in its directory. What the other agents acknowledged without it
is lost. DB servers drop the shards that the agency does not have any more, so
collections that were created after this agent's last entry are lost too.

If several directories are left, look at each with --dry-run, and recover the one with
the highest last entry: first by term, then by index. Recover only one of them. If a
majority of the directories is left, do not recover: start those agents.

Afterwards start the agent as before, and the others with empty data directories. An
agent that comes back with a directory from before is refused, and stops.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := worksOffline(cmd); err != nil {
				return err
			}
			o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: cmd.ErrOrStderr()})
			s, err := recovery.Recover(o)
			if err != nil {
				return notReady(cmd.Context(), err)
			}
			return tellRecovery(cmd.OutOrStdout(), s, o.DryRun)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "data `directory` of the agent (required)")
	f.BoolVar(&o.DryRun, "dry-run", false, "show what is there and what would be done, and change nothing")
	f.BoolVar(&o.Incomplete, "incomplete", false, "also recover from an agent that had not caught up with the others")
	f.Uint64Var(&o.Incarnation, "incarnation", 0, "`number` of the new incarnation (default: the next one); for servers that follow a later one already")
	hideOnlineFlags(cmd)
	flags.Require(cmd, "dir")
	return cmd
}

// onlineFlags are the flags of the group that say whom to ask. A command on a directory asks no agent.
var onlineFlags = []string{"agent", "timeout"}

// hideOnlineFlags keeps the flags out of the command's help. They stay known: worksOffline says why
// they are refused.
func hideOnlineFlags(cmd *cobra.Command) {
	for _, name := range onlineFlags {
		cmd.Flags().String(name, "", "")
		cmd.Flags().Lookup(name).Hidden = true
	}
}

// worksOffline refuses the flags of the commands that ask agents.
func worksOffline(cmd *cobra.Command) error {
	for _, name := range onlineFlags {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s: this command works on a directory and asks no agent", name)
		}
	}
	return nil
}

// tellRecovery prints what a directory has, and what became of it.
func tellRecovery(out io.Writer, s recovery.Survivor, dry bool) error {
	state := ""
	if s.Incomplete {
		state = ", which had not caught up"
	}
	fmt.Fprintf(out, "Agent %s%s, of %s.\n", s.ID, state, s.Before)
	fmt.Fprintf(out, "Its last entry is %d of term %d, its tree is at index %d%s.\n", s.RaftIndex, s.RaftTerm, s.Index, since(s.Changed))
	fmt.Fprintf(out, "Its members were %s.\n", strings.Join(s.Members, ", "))
	if dry {
		fmt.Fprintf(out, "Nothing was changed. A recovery would make it the only member of incarnation %d.\n", s.After.Incarnation)
		return nil
	}
	_, err := fmt.Fprintf(out, `It is the only member now, of incarnation %d.

What may be lost: whatever the others had acknowledged after that entry. What may have come
true: writes near the end of its log whose outcome was never told.

Start it as before; it serves alone. Then start the others, each with an empty data
directory, with the command line of before or with --join; each votes when it has caught up.
`, s.After.Incarnation)
	return err
}

// since says when the last change was.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", last changed " + t.Format(time.RFC3339)
}
