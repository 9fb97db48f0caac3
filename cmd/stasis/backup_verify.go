package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupVerifyCommand(b *flags.Backup) *cobra.Command {
	var id, dir string
	cmd := &cobra.Command{
		Use:   "verify --identifier ID | --dir DIR [--identifier ID]",
		Short: "Read a backup again and check every file, the Plan dump and the certificate",
		Long: `Read a backup again and check every file, the Plan dump and the certificate. The
certificate says how it is known that the backup is one instant.

With --identifier alone the servers of a running cluster do it. With --dir this
command does it without any server: DIR is the directory of a cluster (of "stasis
up"), or any directory below which the pieces of all DB servers are.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir != "" {
				return verifyOffline(cmd, b, dir, id)
			}
			if id == "" {
				return errors.New("verify: name a backup with --identifier, or a directory with --dir to check the backups in it without a server")
			}
			c, err := beginBackup(cmd, b, "verify")
			if err != nil {
				return err
			}
			res, err := c.backups().Verify(cmd.Context(), id)
			if err := c.end(err, res, func(r show.Report) { show.Verified(r, res) }); err != nil {
				return err
			}
			if !res.Intact {
				return fmt.Errorf("%w: not intact", errReported)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&id, "identifier", "", "`id` of the backup")
	f.StringVar(&dir, "dir", "", "`directory` in which to check backups without a server")
	return cmd
}
