package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

// verification is what a verify is asked for.
type verification struct {
	id, dir string
	restore bool
}

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

With --restore, too, this command restores the backup into memory, as a cluster of
its own inside this process. It reads every document there, and compares the replicas
that were in sync. DIR is not changed, nothing is left behind, and it does not matter
whether the cluster that owns DIR runs. Tables are read where they are, several times;
memory is needed for the ends of the engines' logs (up to 64 MiB for each DB server), for
caches (up to 32 MiB for each), and for the records that replicas had not applied yet.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := v.check(cmd); err != nil {
				return err
			}
			if v.dir != "" {
				return verifyOffline(cmd, b, v)
			}
			return verifyOnline(cmd, b, v.id)
		},
	}
	f := cmd.Flags()
	f.StringVar(&v.id, "identifier", "", "`id` of the backup")
	f.StringVar(&v.dir, "dir", "", "`directory` in which to check backups without a server")
	f.BoolVar(&v.restore, "restore", false, "with --dir: restore into memory, read every document, and compare replicas")
	return cmd
}

// check refuses what cannot be done as it is asked for.
func (v verification) check(cmd *cobra.Command) error {
	if v.restore && v.dir == "" {
		return errors.New("verify: --restore opens the pieces themselves, and those of a running cluster are on the machines of its DB servers: name with --dir the directory of a cluster on this machine, or download the backup first and name a directory with all its pieces")
	}
	if v.id == "" && v.dir == "" {
		return errors.New("verify: name a backup with --identifier, or a directory with --dir to check the backups in it without a server")
	}
	if v.dir == "" {
		return nil
	}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && len(f.Name) > len(serverFlags) && f.Name[:len(serverFlags)] == serverFlags {
			err = fmt.Errorf("verify: --%s and --dir: with --dir no server is asked", f.Name)
		}
	})
	return err
}

// serverFlags begin the names of the flags that say how a coordinator is asked.
const serverFlags = "server."

// verifyOnline has the servers of a running cluster verify a backup.
func verifyOnline(cmd *cobra.Command, b *flags.Backup, id string) error {
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
}
