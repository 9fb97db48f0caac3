package flags

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/client/certificate"
)

// Keys is the flag --key: public keys, one of which has to have signed a backup.
type Keys struct{ given []string }

// Add adds the flag. what says which backups it refuses.
func (k *Keys) Add(cmd *cobra.Command, what string) {
	cmd.Flags().StringArrayVar(&k.given, "key", nil, "public `key`, as 64 hexadecimal digits or as a file (of \"stasis key show\"): "+what+"; if it is given several times, one of the keys")
}

// Given says whether there is one.
func (k *Keys) Given() bool { return len(k.given) > 0 }

// Read reads the keys.
func (k *Keys) Read() ([]client.PublicKey, error) {
	var all []client.PublicKey
	for _, text := range k.given {
		found, err := ReadKeys(text)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// ReadKeys reads public keys: of a text that is one, or else of the file with that name.
func ReadKeys(text string) ([]client.PublicKey, error) {
	if k, err := certificate.ParsePublicKey(text); err == nil {
		return []client.PublicKey{k}, nil
	}
	if text == "" {
		return nil, errors.New("want a public key of 64 hexadecimal digits, or a file with some")
	}
	raw, err := os.ReadFile(text)
	if err != nil {
		return nil, fmt.Errorf("neither 64 hexadecimal digits nor a file that can be read: %w", err)
	}
	found, err := certificate.ParsePublicKeys(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return found, nil
}
