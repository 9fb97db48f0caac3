package main

import (
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupTransfersCommand(b *flags.Backup) *cobra.Command {
	return &cobra.Command{
		Use:   "transfers",
		Short: "List uploads and downloads, running and finished",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := beginBackup(cmd, b, "transfers")
			if err != nil {
				return err
			}
			all, err := c.backups().Transfers(cmd.Context())
			result := map[string]map[string]client.TransferStatus{"transfers": all}
			return c.end(err, result, func(r show.Report) { show.Transfers(r, all) })
		},
	}
}
