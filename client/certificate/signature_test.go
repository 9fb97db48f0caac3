package certificate

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// keyPair is a key of a cluster.
func keyPair(t require.TestingT) (PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return PublicKey(public), private
}

func signed(t require.TestingT, c *Certificate, private crypto.Signer) json.RawMessage {
	raw, err := c.Sign(private)
	require.NoError(t, err)
	return raw
}

// A signed certificate is the certificate, and a key that has not signed it does not vouch for it.
func TestSignedCertificateIsRead(t *testing.T) {
	public, private := keyPair(t)
	other, _ := keyPair(t)
	c, _ := certified()
	c.Coordinator = "<a&b>\u2028" // no encoder on the way changes it
	plain, err := c.Encode()
	require.NoError(t, err)
	_, err = CheckSignature(plain, public)
	require.ErrorIs(t, err, ErrUnsigned)
	raw := signed(t, c, private)
	read, err := Parse(raw)
	require.NoError(t, err)
	require.Equal(t, c, read)
	require.Equal(t, public.ID(), read.SigningKey)
	key, err := CheckSignature(raw, other, public)
	require.NoError(t, err)
	require.Equal(t, public.ID(), key)
	key, err = CheckSignature(raw, other)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.Equal(t, public.ID(), key)
	_, err = CheckSignature(raw)
	require.ErrorIs(t, err, ErrUnknownKey)
	_, err = CheckSignature(nil, public)
	require.ErrorIs(t, err, ErrUnsigned)
	for name, encode := range map[string]func(any) ([]byte, error){"escaping": json.Marshal, "plain": encode} {
		sent, err := encode(map[string]json.RawMessage{"certificate": raw})
		require.NoError(t, err)
		var got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(sent, &got))
		_, err = CheckSignature(got["certificate"], public)
		require.NoError(t, err, name)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, err = c.Sign(rsaKey)
	require.ErrorContains(t, err, "no Ed25519 key")
}

// Fields that this version does not know are signed like all others.
func TestUnknownFieldsAreSigned(t *testing.T) {
	public, private := keyPair(t)
	plain := []byte(`{"id":"x","ofALaterVersion":{"lock":[1,2.50]},"signingKey":"` + public.ID() + `"}`)
	signature, err := private.Sign(nil, message(plain), crypto.Hash(0))
	require.NoError(t, err)
	raw := slices.Concat(bytes.TrimSuffix(plain, []byte("}")), []byte(signatureBegin), []byte(hexOf(signature)), []byte(signatureEnd))
	_, err = CheckSignature(raw, public)
	require.NoError(t, err)
	_, err = CheckSignature(bytes.Replace(raw, []byte("2.50"), []byte("2.51"), 1), public)
	require.ErrorIs(t, err, ErrForged)
}

// Whatever is changed in a certificate, its signature does not hold any more: every field, the key
// that it names, and the signature itself.
func TestForgedCertificates(t *testing.T) {
	public, private := keyPair(t)
	otherKey, otherPrivate := keyPair(t)
	c, _ := certified()
	raw := signed(t, c, private)
	next, _ := certified()
	next.ID = "another"
	another := signed(t, next, private)
	signatureOf := func(raw []byte) []byte { return raw[len(raw)-signatureSize:] }
	forgeries := map[string][]byte{
		"signature of another backup": slices.Concat(raw[:len(raw)-signatureSize], signatureOf(another)),
		"another key is named":        bytes.ReplaceAll(raw, []byte(public.ID()), []byte(otherKey.ID())),
		"no signature":                append(slices.Clone(raw[:len(raw)-signatureSize]), '}'),
		"a blank":                     bytes.Replace(raw, []byte(`,"id"`), []byte(`, "id"`), 1),
		"in upper case":               bytes.Replace(raw, signatureOf(raw), []byte(`,"signature":"`+strings.ToUpper(c.Signature)+signatureEnd), 1),
		"a member after it":           append(slices.Clone(raw[:len(raw)-1]), `,"id":"forged"}`...),
		"a member twice":              append([]byte(`{"servers":{"forged":{}},`), raw[1:]...),
		"signed for something else":   signedFor(t, raw, private, "stasis backup certificate v2\x00"),
		"by another, with its name":   bytes.ReplaceAll(signed(t, copied(c), otherPrivate), []byte(otherKey.ID()), []byte(public.ID())),
		"signature without key":       bytes.Replace(raw, []byte(`"signingKey":"`+public.ID()+`",`), nil, 1),
	}
	for n := range len(raw) {
		if n > 0 && json.Valid(raw[:n]) {
			forgeries["truncated"] = raw[:n]
		}
	}
	for path, changed := range changedFields(t, raw) {
		forgeries[path] = changed
	}
	require.Greater(t, len(forgeries), 40, "every field is changed")
	for name, forged := range forgeries {
		_, err := CheckSignature(forged, public, otherKey)
		renamed := name == "changed /signingKey" && errors.Is(err, ErrUnknownKey)
		require.True(t, errors.Is(err, ErrForged) || renamed, "%s: %v: a forgery is accepted", name, err)
		_, err = Trust{Keys: []PublicKey{public}, Strict: true}.Judge(map[string]json.RawMessage{"a": raw, "b": forged})
		require.Error(t, err, name)
	}
	_, err := CheckSignature(raw, public)
	require.NoError(t, err)
}

// Any byte that is changed is found, also where JSON would mean the same.
func TestAnyChangedByteIsFound(t *testing.T) {
	public, private := keyPair(t)
	c, _ := certified()
	c.Coordinator = "<&>"
	raw := signed(t, c, private)
	rapid.Check(t, func(t *rapid.T) {
		forged := slices.Clone(raw)
		at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
		forged[at] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		_, err := CheckSignature(forged, public)
		require.Error(t, err)
	})
	for at := range raw { // the case of letters, in names of members and in escapes
		forged := slices.Clone(raw)
		forged[at] ^= 0x20
		_, err := CheckSignature(forged, public)
		require.Error(t, err, "byte %d", at)
	}
}

// The pieces of another backup do not go with a signature that holds: the certificate names theirs.
func TestSignatureDoesNotSaveSwappedPieces(t *testing.T) {
	public, private := keyPair(t)
	c, pieces := certified()
	for id, p := range pieces {
		p.ServerID, p.NrDBServers, p.ManifestSHA256, p.AgencyDumpSHA256 = id, 2, "manifest of "+id, "dump"
		pieces[id] = p
		e := c.Servers[id]
		e.Piece = PieceEvidence{ManifestSHA256: p.ManifestSHA256, AgencyDumpSHA256: p.AgencyDumpSHA256}
		c.Servers[id] = e
	}
	raw := signed(t, c, private)
	sealed := func() map[string]Sealed {
		return map[string]Sealed{"a": {pieces["a"], raw}, "b": {pieces["b"], raw}}
	}
	for name, swap := range map[string]func(a, b *Piece){
		"manifests": func(a, b *Piece) { a.ManifestSHA256, b.ManifestSHA256 = b.ManifestSHA256, a.ManifestSHA256 },
		"dump":      func(a, _ *Piece) { a.AgencyDumpSHA256 = "another" },
		"replicas":  func(a, _ *Piece) { a.Replicas = nil },
		"attempt":   func(a, _ *Piece) { a.Nonce = "another" },
		"backup":    func(a, _ *Piece) { a.ID = "another" },
	} {
		set := sealed()
		_, problems := Examine(set, "")
		require.Empty(t, problems)
		a, b := set["a"], set["b"]
		swap(&a.Piece, &b.Piece)
		set["a"], set["b"] = a, b
		_, problems = Examine(set, "")
		require.NotEmpty(t, problems, name)
		if name != "replicas" {
			require.NotEmpty(t, c.ProblemsOf(a.Piece), name)
		}
		s, err := Trust{Keys: []PublicKey{public}, Strict: true}.Judge(Stored(set))
		require.NoError(t, err)
		require.Equal(t, Signature{Key: public.ID(), Status: Signed}, s)
	}
	require.Equal(t, []string{"the piece of c is not part of the backup"}, c.ProblemsOf(Piece{ServerID: "c"}))
}

// Without strictness, what is unsigned or another cluster's is told, and only a signature that does
// not hold is refused.
func TestTrust(t *testing.T) {
	public, private := keyPair(t)
	other, _ := keyPair(t)
	c, _ := certified()
	plain, err := c.Encode()
	require.NoError(t, err)
	raw := signed(t, c, private)
	forged := bytes.Replace(raw, []byte(`"id":""`), []byte(`"id":"x"`), 1)
	for name, want := range map[string]struct {
		stored       map[string]json.RawMessage
		keys         []PublicKey
		status       string
		lax, refused bool
	}{
		"signed":          {map[string]json.RawMessage{"a": raw, "b": raw}, []PublicKey{other, public}, Signed, false, false},
		"unsigned":        {map[string]json.RawMessage{"a": plain, "b": plain}, []PublicKey{public}, Unsigned, false, true},
		"failsafe":        {map[string]json.RawMessage{"a": nil}, []PublicKey{public}, Unsigned, false, true},
		"no pieces":       {nil, []PublicKey{public}, Unsigned, false, true},
		"another cluster": {map[string]json.RawMessage{"a": raw}, []PublicKey{other}, UnknownKey, false, true},
		"no keys":         {map[string]json.RawMessage{"a": raw}, nil, UnknownKey, false, true},
		"one is forged":   {map[string]json.RawMessage{"a": raw, "b": forged}, []PublicKey{public}, Forged, true, true},
		"one is unsigned": {map[string]json.RawMessage{"a": raw, "b": plain}, []PublicKey{public}, Unsigned, false, true},
	} {
		for _, strict := range []bool{false, true} {
			s, err := Trust{Keys: want.keys, Strict: strict}.Judge(want.stored)
			require.Equal(t, want.status, s.Status, name)
			refused := want.lax
			if strict {
				refused = want.refused
			}
			require.Equal(t, refused, err != nil, "%s, strict: %v: %v", name, strict, err)
		}
	}
}

func hexOf(signature []byte) string { return string(appendHex(nil, signature)) }

func appendHex(to, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range b {
		to = append(to, digits[c>>4], digits[c&15])
	}
	return to
}

func copied(c *Certificate) *Certificate {
	other := *c
	return &other
}

// signedFor is the certificate with a signature that its key made in another domain.
func signedFor(t *testing.T, raw []byte, private ed25519.PrivateKey, domain string) []byte {
	plain, _, ok := split(raw)
	require.True(t, ok)
	signature := ed25519.Sign(private, append([]byte(domain), plain...))
	return slices.Concat(bytes.TrimSuffix(plain, []byte("}")), []byte(signatureBegin+hexOf(signature)+signatureEnd))
}

// changedFields are the certificate with one field changed, by the path of the field. The signature
// stays where it was.
func changedFields(t *testing.T, raw []byte) map[string][]byte {
	t.Helper()
	plain, signature, ok := split(raw)
	require.True(t, ok)
	found := map[string][]byte{}
	var walk func(at string, node any, root func() any, set func(any))
	walk = func(at string, node any, root func() any, set func(any)) {
		switch v := node.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(at+"/"+k, v[k], root, func(to any) { v[k] = to })
			}
			return
		case []any:
			for i := range v {
				walk(at+"/[]", v[i], root, func(to any) { v[i] = to })
			}
			return
		case bool:
			set(!v)
		case string:
			set(v + "x")
		default:
			set(json.Number("987654321"))
		}
		changed, err := encode(root())
		require.NoError(t, err)
		found["changed "+at] = slices.Concat(bytes.TrimSuffix(changed, []byte("}")), []byte(signatureBegin+hexOf(signature)+signatureEnd))
		set(node)
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.UseNumber()
	var tree any
	require.NoError(t, d.Decode(&tree))
	walk("", tree, func() any { return tree }, nil)
	return found
}
