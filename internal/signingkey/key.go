package signingkey

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
)

// Key signs. However it is printed or encoded, it does not show the private key. Any goroutine may
// use it.
type Key struct{ private ed25519.PrivateKey }

var _ crypto.Signer = (*Key)(nil)

// New makes a key.
func New() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return &Key{private}, nil
}

// Public is the public half, an ed25519.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// Sign signs a message.
func (k *Key) Sign(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.private.Sign(random, message, opts)
}

const notShown = "(signing key, not shown)"

// Format prints no key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, notShown) }

// String prints no key.
func (Key) String() string { return notShown }
