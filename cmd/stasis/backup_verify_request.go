package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verification is what a verify is asked for.
type verification struct {
	id, dir string
	restore bool
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
		if err == nil && strings.HasPrefix(f.Name, serverFlags) {
			err = fmt.Errorf("verify: --%s and --dir: with --dir no server is asked", f.Name)
		}
	})
	return err
}

// serverFlags begin the names of the flags that say how a coordinator is asked.
const serverFlags = "server."
