package certificate

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys are read as they are printed, in PEM, and in any mixture; what is no public key is refused,
// and not quoted.
func TestPublicKeysAreRead(t *testing.T) {
	one, private := keyPair(t)
	two, _ := keyPair(t)
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	require.NoError(t, err)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	found, err := ParsePublicKeys([]byte("# of us\n\n" + two.String() + "\r\n" + block + "  " + two.String()))
	require.NoError(t, err)
	require.Equal(t, []PublicKey{two, one, two}, found)
	require.Len(t, one.ID(), 16)
	require.NotEqual(t, one.ID(), two.ID())

	raw, err := json.Marshal(one)
	require.NoError(t, err)
	require.Equal(t, `"`+one.String()+`"`, string(raw))
	var read PublicKey
	require.NoError(t, json.Unmarshal(raw, &read))
	require.Equal(t, one, read)

	der, err = x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for text, says := range map[string]string{
		"":                        "no public key in it",
		"# nothing":               "no public key in it",
		one.String() + "0":        "64 hexadecimal digits",
		"g" + one.String()[1:]:    "64 hexadecimal digits",
		secret:                    "private key",
		two.String() + block[:60]: "cannot be read",
		block[:60]:                "cannot be read",
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})): "no Ed25519 public key",
	} {
		_, err := ParsePublicKeys([]byte(text))
		require.ErrorContains(t, err, says)
		for _, line := range strings.Fields(text) {
			require.False(t, len(line) > 20 && strings.Contains(err.Error(), line), err.Error())
		}
	}
}
