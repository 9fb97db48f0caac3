package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func backupCommand() *cobra.Command {
	b := &flags.Backup{}
	cmd := &cobra.Command{
		Use:               "backup",
		Short:             "Take, list, show, delete, restore, verify, upload and download hot backups",
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return b.Check(cmd) },
	}
	b.AddToGroup(cmd)
	return flags.Group(cmd,
		backupCreateCommand(b), backupListCommand(b), backupDeleteCommand(b), backupRestoreCommand(b), backupVerifyCommand(b), backupShowCommand(b), backupLockCommand(b),
		backupUploadCommand(b), backupDownloadCommand(b), backupTransfersCommand(b), backupRemoteCommand(b))
}
