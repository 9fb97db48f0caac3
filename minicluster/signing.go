package minicluster

import (
	"fmt"
	"path/filepath"

	"stasis/internal/signingkey"
)

// signingKeyFile is, in the cluster's directory, the private key that signs its backups.
const signingKeyFile = "backup-signing.key"

// openKey reads the key of the cluster, or makes it. A cluster without a directory has one in memory, like
// everything else.
func (s *setup) openKey() (err error) {
	switch {
	case len(s.servers.coordinators) == 0:
		return nil
	case s.options.Dir == "":
		s.key, err = signingkey.New()
	default:
		s.key, err = signingkey.ReadOrCreate(s.keyFile())
	}
	if err != nil {
		return fmt.Errorf("the key that signs backups: %w", err)
	}
	return nil
}

func (s *setup) keyFile() string { return filepath.Join(s.options.Dir, signingKeyFile) }
