package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupRemoteCommand(b *flags.Backup) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remote",
		Short: "List, delete, prune and verify the backups in remote storage",
	}
	return flags.Group(cmd,
		remoteCommand(b, client.RemoteList, "List the backups at a remote"),
		remoteCommand(b, client.RemoteDelete, "Delete a backup at a remote, with the content that no other backup needs"),
		remoteCommand(b, client.RemotePrune, "Remove content that no backup needs, such as what aborted uploads have left"),
		remoteCommand(b, client.RemoteVerify, "Read a backup at a remote again, or all of them, and check every byte"),
	)
}

// remoteCommand is one operation at a remote.
func remoteCommand(b *flags.Backup, operation, short string) *cobra.Command {
	var remote remoteOptions
	var id string
	var keys flags.Keys
	cmd := &cobra.Command{
		Use:   operation + " --remote-path NAME:PATH --rclone-config-file FILE",
		Short: short,
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			where, err := remote.read()
			if err != nil {
				return err
			}
			trusted, err := keys.Read()
			if err != nil {
				return err
			}
			c, err := beginBackup(cmd, b, "remote")
			if err != nil {
				return err
			}
			c.changes = operation == client.RemoteDelete || operation == client.RemotePrune
			res, err := c.backups().Remote(cmd.Context(), client.RemoteRequest{Operation: operation, ID: id, Remote: where, Keys: trusted})
			if err := c.end(err, res, func(r show.Report) { showRemote(r, operation, res) }); err != nil {
				return err
			}
			if len(res.Problems) > 0 {
				return fmt.Errorf("%w: not intact", errReported)
			}
			return nil
		},
	}
	remote.addFlags(cmd)
	if operation == client.RemoteVerify {
		keys.Add(cmd, "a backup that it has not signed is not intact")
	}
	switch operation {
	case client.RemoteDelete:
		cmd.Use += " --identifier ID"
		addIdentifier(cmd, &id)
	case client.RemoteList, client.RemoteVerify:
		cmd.Use += " [--identifier ID]"
		cmd.Flags().StringVar(&id, "identifier", "", "`id` of a backup: only this one (default: all)")
	}
	return cmd
}

// showRemote prints what came of an operation.
func showRemote(r show.Report, operation string, res client.RemoteResult) {
	switch operation {
	case client.RemoteList:
		show.AtRemote(r, res.Backups)
		return
	case client.RemoteVerify:
		for _, problem := range res.Problems {
			r.Err("%s", problem)
		}
		if len(res.Problems) > 0 {
			r.Err("NOT intact: %d problems", len(res.Problems))
			break
		}
		for _, b := range res.Backups {
			show.IntactAtRemote(r, b)
		}
		return
	default:
		r.Info(show.Result, "Removed %d objects, %d bytes freed", res.Removed, res.Freed)
	}
	if res.Note != "" {
		r.Warn("%s", res.Note)
	}
}
