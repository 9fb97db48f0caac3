package certificate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
)

// PublicKey is the public half of an Ed25519 key with which a cluster signs certificates. As text,
// also in JSON, it is 64 hexadecimal digits.
type PublicKey [ed25519.PublicKeySize]byte

// errPublicKey quotes nothing of the text: a private key may have been given by mistake.
var errPublicKey = errors.New("no public key: want 64 hexadecimal digits")

// ParsePublicKey reads the text of one key.
func ParsePublicKey(text string) (k PublicKey, err error) {
	if len(text) != hex.EncodedLen(len(k)) {
		return k, errPublicKey
	}
	if _, err := hex.Decode(k[:], []byte(text)); err != nil {
		return PublicKey{}, errPublicKey
	}
	return k, nil
}

// ParsePublicKeys reads the text of a file of keys: a line for each, or blocks of PEM ("PUBLIC
// KEY"). Empty lines do not count, nor do those that begin with "#". The error quotes nothing of
// the text.
func ParsePublicKeys(text []byte) (keys []PublicKey, err error) {
	for found := true; found; {
		var lines []byte
		at := bytes.Index(text, pemBegin)
		if found = at >= 0; !found {
			at = len(text)
		}
		lines, text = text[:at], text[at:]
		if keys, err = appendLines(keys, string(lines)); err != nil {
			return nil, err
		}
		if found {
			block, rest := pem.Decode(text)
			k, err := publicKeyOf(block)
			if err != nil {
				return nil, err
			}
			keys, text = append(keys, k), rest
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key in it")
	}
	return keys, nil
}

var pemBegin = []byte("-----BEGIN ")

func appendLines(keys []PublicKey, text string) ([]PublicKey, error) {
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := ParsePublicKey(line)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func publicKeyOf(block *pem.Block) (PublicKey, error) {
	if block == nil {
		return PublicKey{}, errors.New("it has a PEM block that cannot be read")
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return PublicKey{}, errors.New("it has a private key: leave that where the coordinators are, and give the public one")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	key, fits := parsed.(ed25519.PublicKey)
	if block.Type != "PUBLIC KEY" || err != nil || !fits {
		return PublicKey{}, errors.New("it has a PEM block that is no Ed25519 public key")
	}
	return PublicKey(key), nil
}

// ID is a short name of the key: the first 16 hexadecimal digits of its SHA-256. A
// certificate names its key by it. It only chooses a key; a signature is checked with the whole key.
func (k PublicKey) ID() string {
	sum := sha256.Sum256(k[:])
	return hex.EncodeToString(sum[:8])
}

// String is the key as text.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText is String.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParsePublicKey.
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(string(text))
	return err
}
