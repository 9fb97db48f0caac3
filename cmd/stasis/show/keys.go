package show

import (
	"fmt"
	"io"

	"stasis/client"
)

// Keys prints public keys as a file of which the flag --key reads them.
func Keys(out io.Writer, found client.SigningKeys) {
	fmt.Fprintln(out, "# Public keys that sign backups. Keep this text away from the cluster and its backups:")
	fmt.Fprintln(out, "# with it \"stasis backup verify --key FILE\" recognises forged backups after a total loss.")
	for _, k := range found.Keys {
		note := ""
		if k.Since != "" {
			note = ", since " + k.Since
		}
		fmt.Fprintf(out, "# key %s%s\n%s\n", k.ID, note, k.Public)
	}
	if found.Signer != "" {
		fmt.Fprintf(out, "# The coordinator that was asked signs with key %s.\n", found.Signer)
	}
}

// signature prints who has signed a backup. What is wrong with it is among the problems.
func signature(r Report, s *client.Signature) {
	switch {
	case s == nil || s.Status == client.SignatureForged:
	case s.Status == client.SignatureValid:
		r.Info(Result, "signed with key %s", s.Key)
	case s.Status == client.SignatureUnknownKey:
		r.Warn("signed with key %s, which is not known here: the signature was not checked", s.Key)
	default:
		r.Info(Result, "unsigned: nothing shows which cluster made it")
	}
}

// IntactAtRemote prints that a backup at a remote is intact.
func IntactAtRemote(r Report, b client.RemoteBackup) {
	r.Info(Result, "'%s' is intact at the remote", b.ID)
	signature(r, b.Signature)
}

// Restored prints what a restore has done.
func Restored(r Report, id string, res client.RestoreResult) {
	r.Info(Result, "Successfully restored '%s'", id)
	signature(r, res.Signature)
	r.Info(Progress, "The state before is kept as '%s'", res.Previous)
}
