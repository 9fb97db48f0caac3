package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupVerifyCommand(b *flags.Backup) *cobra.Command {
	var v verification
	cmd := &cobra.Command{
		Use:   "verify --identifier ID | --dir DIR [--identifier ID] [--restore]",
		Short: "Read a backup again and check every file, the Plan dump and the certificate",
		Long: `Read a backup again and check every file, the Plan dump and the certificate. The
certificate says how it is known that the backup is one instant.

With --identifier alone the servers of a running cluster do it. With --dir this
command does it without any server: DIR is the directory of a cluster (of "stasis
up"), or any directory below which the pieces of all DB servers are.

With --key, a backup is intact only if one of the keys has signed its certificate. Without
it, a running cluster checks the signature with its own keys, and --dir does not check it.

With --restore, too, this command restores the backup into memory, as a cluster of
its own inside this process. It reads every document there, and compares the replicas
that were in sync. DIR is not changed, nothing is left behind, and it does not matter
whether the cluster that owns DIR runs. Tables are read where they are, several times;
memory is needed for the ends of the engines' logs (up to 64 MiB for each DB server), for
caches (up to 32 MiB for each), and for the records that replicas had not applied yet.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := v.check(b); err != nil {
				return err
			}
			if v.dir != "" {
				return verifyOffline(cmd, b, v)
			}
			return verifyOnline(cmd, b, v)
		},
	}
	f := cmd.Flags()
	f.StringVar(&v.id, "identifier", "", "`id` of the backup")
	f.StringVar(&v.dir, "dir", "", "`directory` in which to check backups without a server")
	f.BoolVar(&v.restore, "restore", false, "with --dir: restore into memory, read every document, and compare replicas")
	v.keys.Add(cmd, "a backup that it has not signed is not intact")
	return cmd
}

// verifyOnline has the servers of a running cluster verify a backup.
func verifyOnline(cmd *cobra.Command, b *flags.Backup, v verification) error {
	c, err := beginBackup(cmd, b, "verify")
	if err != nil {
		return err
	}
	res, err := c.backups().Verify(cmd.Context(), v.id, v.trusted...)
	if err := c.end(err, res, func(r show.Report) { show.Verified(r, res) }); err != nil {
		return err
	}
	if !res.Intact {
		return fmt.Errorf("%w: not intact", errReported)
	}
	return nil
}
