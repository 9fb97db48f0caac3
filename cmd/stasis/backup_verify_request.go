package main

import (
	"errors"
	"fmt"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

// verification is what a verify is asked for.
type verification struct {
	id, dir string
	restore bool
	keys    flags.Keys
	trusted []client.PublicKey // of keys
}

// check refuses what cannot be done as it is asked for.
func (v *verification) check(b *flags.Backup) (err error) {
	if v.restore && v.dir == "" {
		return errors.New("verify: --restore opens the pieces themselves, and those of a running cluster are on the machines of its DB servers: name with --dir the directory of a cluster on this machine, or download the backup first and name a directory with all its pieces")
	}
	if v.id == "" && v.dir == "" {
		return errors.New("verify: name a backup with --identifier, or a directory with --dir to check the backups in it without a server")
	}
	if flag := b.GivenOfServer(); v.dir != "" && flag != "" {
		return fmt.Errorf("verify: --%s and --dir: with --dir no server is asked", flag)
	}
	if v.trusted, err = v.keys.Read(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}
