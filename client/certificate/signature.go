package certificate

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"stasis/internal/failpoint"
)

// Why a certificate is not known to be of a cluster.
var (
	ErrUnsigned   = errors.New("the certificate is not signed")
	ErrUnknownKey = errors.New("the certificate is signed with another key")
	ErrForged     = errors.New("the signature of the certificate does not hold")
)

// A signed certificate is the certificate as it was before, byte for byte, with its signature as
// the last member. What is signed is therefore in the file as it is: fields that this version does
// not know are covered, and nothing has to be encoded again for a check.
const (
	signedDomain   = "stasis backup certificate v1\x00" // before the signed bytes: a signature counts for nothing else
	signatureBegin = `,"signature":"`
	signatureEnd   = `"}`
	signatureSize  = len(signatureBegin) + 2*ed25519.SignatureSize + len(signatureEnd)
)

// Sign signs the certificate with an Ed25519 key, and returns it as it is stored. It sets
// SigningKey and Signature.
func (c *Certificate) Sign(signer crypto.Signer) (json.RawMessage, error) {
	public, fits := signer.Public().(ed25519.PublicKey)
	if !fits || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("sign certificate: the key is no Ed25519 key")
	}
	c.SigningKey, c.Signature = PublicKey(public).ID(), ""
	raw, err := c.Encode()
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	// Servers send it to each other as a part of their JSON. In this form no encoder changes it.
	var plain bytes.Buffer
	json.HTMLEscape(&plain, raw)
	signature, err := signer.Sign(rand.Reader, message(plain.Bytes()), crypto.Hash(0))
	if err == nil && len(signature) != ed25519.SignatureSize {
		err = fmt.Errorf("the signature has %d bytes", len(signature))
	}
	if err != nil {
		return nil, fmt.Errorf("sign certificate with key %s: %w", c.SigningKey, err)
	}
	c.Signature = hex.EncodeToString(signature)
	signed := bytes.TrimSuffix(plain.Bytes(), []byte("}"))
	return slices.Concat(signed, []byte(signatureBegin+c.Signature+signatureEnd)), nil
}

// message is what is signed of a certificate.
func message(plain []byte) []byte { return append([]byte(signedDomain), plain...) }

// split takes a signed certificate apart. It accepts exactly the bytes that Sign writes.
func split(raw []byte) (plain, signature []byte, ok bool) {
	at := len(raw) - signatureSize
	if at < 1 {
		return nil, nil, false
	}
	digits, begins := bytes.CutPrefix(raw[at:], []byte(signatureBegin))
	digits, ends := bytes.CutSuffix(digits, []byte(signatureEnd))
	signature, err := hex.DecodeString(string(digits))
	if !begins || !ends || err != nil || hex.EncodeToString(signature) != string(digits) {
		return nil, nil, false
	}
	return append(slices.Clone(raw[:at]), '}'), signature, true
}

// CheckSignature says whether a stored certificate is signed with one of the keys, and every byte
// of it is as it was signed. It returns the id of the key that the certificate names, "" for one
// that is not signed. The error matches [ErrUnsigned], [ErrUnknownKey] or [ErrForged].
func CheckSignature(raw json.RawMessage, keys ...PublicKey) (key string, err error) {
	if len(raw) == 0 {
		return "", ErrUnsigned
	}
	c, err := Parse(raw)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrForged, err)
	}
	if c.SigningKey == "" && c.Signature == "" {
		return "", ErrUnsigned
	}
	malformed := fmt.Errorf("%w: the key that it names (%q) or its signature is missing or is not where it was written", ErrForged, c.SigningKey)
	plain, signature, ok := split(raw)
	if !ok {
		return c.SigningKey, malformed
	}
	if c, err = Parse(plain); err != nil || c.SigningKey == "" { // what is signed says by which key
		return "", malformed
	}
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.ID() == c.SigningKey })
	if i < 0 {
		return c.SigningKey, fmt.Errorf("%w: key %q, which is %s", ErrUnknownKey, c.SigningKey, noneOf(keys))
	}
	if !ed25519.Verify(keys[i][:], message(plain), signature) && !failpoint.Off("certificate-is-signed") {
		return c.SigningKey, fmt.Errorf("%w: key %s has not signed these bytes, so the certificate was changed or forged", ErrForged, c.SigningKey)
	}
	return c.SigningKey, nil
}

func noneOf(keys []PublicKey) string {
	if len(keys) == 0 {
		return "not known here"
	}
	text := "none of"
	for _, k := range keys {
		text += " " + k.ID()
	}
	return text
}

// IsAsSigned says whether a certificate has the form in which a signed one is written, or is not
// signed. JSON of the same meaning in another form was changed after it was signed.
func IsAsSigned(raw json.RawMessage) bool {
	c, err := Parse(raw)
	if err != nil || c.SigningKey == "" && c.Signature == "" {
		return err == nil
	}
	var compact, escaped bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return false
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return bytes.Equal(escaped.Bytes(), raw)
}
