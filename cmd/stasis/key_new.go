package main

import (
	"crypto/ed25519"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
	"stasis/internal/signingkey"
)

func keyNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new FILE",
		Short: "Make a private key that signs backups, and print its public half",
		Long: `Make a private key that signs backups, and print its public half.

FILE is new, and only its user may read it. Give it to every coordinator of the cluster
(stasis coordinator --backup.signing-key FILE), and to nothing else. "stasis up" and
"stasis single" make such a key by themselves.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := signingkey.Create(args[0])
			if err != nil {
				return err
			}
			show.Keys(cmd.OutOrStdout(), client.SigningKeys{Keys: []client.SigningKey{publicHalf(key)}})
			return nil
		},
	}
}

func publicHalf(key *signingkey.Key) client.SigningKey {
	public := client.PublicKey(key.Public().(ed25519.PublicKey))
	return client.SigningKey{ID: public.ID(), Public: public}
}
