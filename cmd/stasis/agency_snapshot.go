package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	agencyclient "stasis/agency/client"
	"stasis/agency/recovery"
	"stasis/cmd/stasis/flags"
)

func agencySnapshotCommand(o *agencyOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "snapshot", Short: "Save the agency's tree to a file, and make an agency of such a file",
	}
	return flags.Group(cmd, snapshotSaveCommand(o), snapshotRestoreCommand())
}

func snapshotSaveCommand(o *agencyOptions) *cobra.Command {
	return &cobra.Command{
		Use: "save FILE", Short: "Save the whole tree, as it is at one instant, to a file", Args: flags.Arguments(cobra.ExactArgs(1)),
		Long: `Save the whole tree, as it is at one instant, to a file.

The file has the tree with its expiry times and observers, the newest changes with
their client ids, and a checksum. It has neither the heartbeats (the transient tree)
nor any documents: "stasis backup create" saves those.`,
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
		Use: "restore FILE --dir DIR", Short: "Make an agent of a saved tree: the first one of the agency's next incarnation", Args: flags.Arguments(cobra.ExactArgs(1)),
		Long: `Make an agent of a saved tree: the first one of the agency's next incarnation.

Use it when the data directories of all agents are lost, or none is fit to recover from.
The directory must be empty or missing, and no agent of the agency may run. DB servers
and coordinators of the cluster follow the new incarnation by themselves. DB servers
drop the shards that the saved tree does not have: collections that were created after
it was saved are lost.`,
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
				return notReady(cmd.Context(), err)
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
	f.StringVar(&o.LogStore, "log-store", "", "`kind` of file that keeps Raft's log: wal (the default) or bolt")
	f.Uint64Var(&o.Incarnation, "incarnation", 0, "`number` of the new incarnation (default: the one after the snapshot's); for servers that follow a later one already")
	hideOnlineFlags(cmd)
	flags.Require(cmd, "dir")
	return cmd
}
