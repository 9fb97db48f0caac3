package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	dbclient "stasis/dbserver/client"
)

func backupRemoteCommand(o *serverOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remote list|delete|prune|verify",
		Short: "List, delete, prune and verify what is at a remote storage",
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("backup remote: say what to do: list, delete, prune or verify")
			}
			return fmt.Errorf("backup remote: unknown command %q; there are list, delete, prune and verify", args[0])
		},
	}
	cmd.AddCommand(
		remoteCommand(o, dbclient.RemoteList, "List the backups at a remote", showRemoteList),
		remoteCommand(o, dbclient.RemoteDelete, "Delete a backup at a remote, with the content that no other backup needs", showRemoved),
		remoteCommand(o, dbclient.RemotePrune, "Remove content that no backup needs, such as what aborted uploads have left", showRemoved),
		remoteCommand(o, dbclient.RemoteVerify, "Read a backup at a remote again, or all of them, and check every byte", showRemoteVerify),
	)
	return cmd
}

// remoteCommand is one operation at a remote; show prints its result and says
// whether all is well.
func remoteCommand(o *serverOptions, operation, short string, show func(report, dbclient.RemoteResponse) error) *cobra.Command {
	var remote remoteOptions
	var id string
	cmd := &cobra.Command{
		Use:   operation + " --remote-path NAME:PATH --rclone-config-file FILE",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := map[string]any{"operation": operation, "id": id}
			if err := remote.request(request); err != nil {
				return err
			}
			var res dbclient.RemoteResponse
			var verdict error
			err := o.call(cmd, "remote", request, &res, callOptions{}, func(r report) { verdict = show(r, res) })
			if err == nil && verdict == nil && len(res.Problems) > 0 {
				verdict = errReported
			}
			return errors.Join(err, verdict)
		},
	}
	remote.addFlags(cmd)
	switch operation {
	case dbclient.RemoteDelete:
		addIdentifier(cmd, &id)
	case dbclient.RemoteList, dbclient.RemoteVerify:
		cmd.Flags().StringVar(&id, "identifier", "", "only this `backup`")
	}
	return cmd
}

func showRemoteList(r report, res dbclient.RemoteResponse) error {
	if len(res.Backups) == 0 {
		r.info(idList, "There are no backups at the remote.")
		return nil
	}
	r.info(idList, "The following backups are at the remote:")
	for _, b := range res.Backups {
		r.info(idList, " - %s", b.ID)
		r.info(idList, "      version: %s", b.Version)
		r.info(idList, "      date/time: %s", b.DateTime)
		r.info(idList, "      size in bytes: %d", b.SizeInBytes)
		r.info(idList, "      number of files: %d", b.NrFiles)
		r.info(idList, "      number of DBServers: %d", len(b.Servers)+len(b.Missing))
		r.info(idList, "      potentiallyInconsistent: %t", b.PotentiallyInconsistent)
		r.info(idList, "      complete: %t", b.Complete)
		if len(b.Missing) > 0 {
			r.info(idList, "      missing pieces of: %s", strings.Join(b.Missing, ", "))
		}
		if b.Damaged > 0 {
			r.info(idList, "      damaged files: %d", b.Damaged)
		}
	}
	return nil
}

func showRemoved(r report, res dbclient.RemoteResponse) error {
	r.info(idResult, "Removed %d objects, %d bytes freed", res.Removed, res.Freed)
	if res.Note != "" {
		r.line(levelWarning, idWarning, "%s", res.Note)
	}
	return nil
}

func showRemoteVerify(r report, res dbclient.RemoteResponse) error {
	for _, problem := range res.Problems {
		r.line(levelError, idError, "%s", problem)
	}
	if len(res.Problems) > 0 {
		r.line(levelError, idError, "NOT intact: %d problems", len(res.Problems))
		if res.Note != "" {
			r.line(levelWarning, idWarning, "%s", res.Note)
		}
		return errReported
	}
	for _, b := range res.Backups {
		r.info(idResult, "'%s' is intact at the remote", b.ID)
	}
	return nil
}
