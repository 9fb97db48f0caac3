package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/agency/recovery"
)

// agencyRecoverCommand works on a directory: there is no agency to ask.
func agencyRecoverCommand() *cobra.Command {
	var o recovery.Options
	cmd := &cobra.Command{
		Use: "recover --dir DIR", Short: "Go on from one agent's data directory after a majority of the others is lost for good", Args: cobra.NoArgs,
		Long: `Go on from one agent's data directory after a majority of the others is lost for good.

The agent must not run. It becomes the only member of the agency's next incarnation, with everything
that is in its directory. What the others had acknowledged without it is lost. DB servers drop the shards
that the agency no longer knows, so collections that were created after this agent's last entry are lost too.

If several directories are left, look at each with --dry-run, and recover the one with the
highest last entry: first by term, then by index. Recover only one of them. If a majority of the
directories is left, do not recover: start those agents.

Start the agent afterwards as before, and the others with empty data directories. An
agent that comes back with a directory from before is refused, and stops.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := worksOffline(cmd); err != nil {
				return err
			}
			o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: cmd.ErrOrStderr()})
			s, err := recovery.Recover(o)
			if err != nil {
				return explain(err)
			}
			return tellRecovery(cmd.OutOrStdout(), s, o.DryRun)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "data `directory` of the agent (required)")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what is there and what would be done, and change nothing")
	f.BoolVar(&o.Incomplete, "incomplete", false, "also from an agent that had not caught up with the others")
	f.Uint64Var(&o.Incarnation, "incarnation", 0, "become this `number` instead of the next one: for servers that have followed a later incarnation already")
	required(cmd, "dir")
	return cmd
}

// worksOffline refuses the flags of the commands that ask agents.
func worksOffline(cmd *cobra.Command) error {
	for _, name := range []string{"agent", "timeout"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s: this command works on a directory and asks no agent", name)
		}
	}
	return nil
}

func required(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
}

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

func agencySnapshotCommand(o *agencyOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "snapshot", Short: "Save the agency's tree to a file, and make an agency of such a file", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("agency snapshot: say what to do: save or restore")
			}
			return fmt.Errorf("agency snapshot: unknown command %q; want save or restore", args[0])
		},
	}
	cmd.AddCommand(snapshotSaveCommand(o), snapshotRestoreCommand())
	return cmd
}

func snapshotSaveCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "save FILE", Short: "Save the whole tree, as it is at one instant, to a file", Args: usage(cobra.ExactArgs(1)),
		Long: `Save the whole tree, as it is at one instant, to a file.

The file has the tree with what expires and who observes, the newest changes with their client
ids, and a checksum. It does not have the heartbeats (the transient tree), nor any documents: for those
there is "stasis backup create".`,
		RunE: o.run(func(ctx context.Context, c *agencyclient.Client, out io.Writer, args []string) error {
			file, head, err := c.Snapshot(ctx)
			if err != nil {
				return err
			}
			if err := saveFile(args[0], file); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s: %s, index %d, %d bytes\n", args[0], head.Origin, head.Index, len(file))
			return err
		}),
	}
}

// saveFile makes a file whole or not at all, for its owner only.
func saveFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // it has mode 0600
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("save %s: %w", path, err), os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

func snapshotRestoreCommand() *cobra.Command {
	var o recovery.RestoreOptions
	cmd := &cobra.Command{
		Use: "restore FILE --dir DIR", Short: "Make an agent of a saved tree: the first one of the agency's next incarnation", Args: usage(cobra.ExactArgs(1)),
		Long: `Make an agent of a saved tree: the first one of the agency's next incarnation.

For when all agents' data directories are lost, or none is fit to recover from. The directory must
be empty or missing; nothing of the agency may run. DB servers and coordinators of the cluster follow the new
incarnation by themselves. DB servers drop the shards that the saved tree does not know: collections that were
created after it was saved are lost.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := worksOffline(cmd); err != nil {
				return err
			}
			file, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: cmd.ErrOrStderr()})
			s, err := recovery.Restore(file, o)
			if err != nil {
				return explain(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `Agent %s in %s is the only member of %s.
The saved tree was at index %d%s; what was written later is lost.

Start it with "stasis agent --dir %s --listen HOST:PORT", and others with empty data
directories and --join; each votes when it has caught up.
`, s.ID, o.Dir, s.After, s.Index, since(s.Changed), o.Dir)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "", "empty data `directory` for the agent (required)")
	f.StringVar(&o.ID, "id", "", "the agent's `id` (AGNT-…); default: a new one")
	f.StringVar(&o.LogStore, "log-store", "", "what keeps Raft's log, `bolt` or wal")
	f.Uint64Var(&o.Incarnation, "incarnation", 0, "become this `number` instead of the one after the snapshot's: for servers that have followed a later incarnation already")
	required(cmd, "dir")
	return cmd
}
