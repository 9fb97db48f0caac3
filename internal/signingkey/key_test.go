package signingkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The file is read as it was written, by its user alone, and a second key does not replace it.
func TestKeyIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	_, err := Read(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, path)
	made, err := ReadOrCreate(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}
	for _, read := range []func(string) (*Key, error){Read, ReadOrCreate} {
		got, err := read(path)
		require.NoError(t, err)
		require.Equal(t, made.Public(), got.Public())
	}
	_, err = Create(path)
	require.ErrorIs(t, err, fs.ErrExist)
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "no temporary file is left")
	message := []byte("message")
	signature, err := made.Sign(rand.Reader, message, crypto.Hash(0))
	require.NoError(t, err)
	require.True(t, ed25519.Verify(made.Public().(ed25519.PublicKey), message, signature))
}

// Two that make a key at once have the same one.
func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var made [8]*Key
	var errs [8]error
	var making sync.WaitGroup
	for i := range made {
		making.Go(func() { made[i], errs[i] = ReadOrCreate(path) })
	}
	making.Wait()
	for i, key := range made {
		require.NoError(t, errs[i])
		require.Equal(t, made[0].Public(), key.Public())
	}
}

// A key that others may read or change is refused, with what to do.
func TestKeyOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its modes say nothing")
	}
	path := filepath.Join(t.TempDir(), "key")
	_, err := Create(path)
	require.NoError(t, err)
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o604, 0o620, 0o610, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := Read(path)
		require.ErrorContains(t, err, fmt.Sprintf("%s has mode %04o, so other users may read or change it", path, mode), "a key is used that others may read")
		_, err = ReadOrCreate(path)
		require.ErrorContains(t, err, "chmod 600 "+path)
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		require.NoError(t, os.Chmod(path, mode))
		_, err = Read(path)
		require.NoError(t, err)
	}
	link := path + ".link"
	require.NoError(t, os.Symlink(path, link))
	_, err = Read(link)
	require.NoError(t, err, "secrets are mounted as links")
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = Read(link)
	require.Error(t, err, "the mode is that of the file")
	_, err = Read(filepath.Dir(path))
	require.ErrorContains(t, err, "no regular file")
}

// secrets are the ways in which a private key could be seen.
func secrets(k *Key) []string {
	seed := k.private.Seed()
	return []string{
		string(seed), hex.EncodeToString(seed), strings.ToUpper(hex.EncodeToString(seed)), fmt.Sprint(seed[:8])[1:20],
		base64.StdEncoding.EncodeToString(seed)[:40], base64.StdEncoding.EncodeToString(append([]byte("x"), seed...))[4:40],
	}
}

// However a key is printed or encoded, and whatever is wrong with its file, nothing of it is shown.
func TestKeyIsNotShown(t *testing.T) {
	key, err := New()
	require.NoError(t, err)
	holder := struct{ K *Key }{key}
	shown := []string{key.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, *key), fmt.Sprintf(verb, holder))
	}
	for _, v := range []any{key, *key, holder} {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		shown = append(shown, string(raw))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	otherDER, err := x509.MarshalPKCS8PrivateKey(other)
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"half":      text[:len(text)/2],
		"type":      bytes.ReplaceAll(text, []byte(pemType), []byte("ENCRYPTED PRIVATE KEY")),
		"cut":       pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der[:len(der)-1]}),
		"seed only": []byte(hex.EncodeToString(key.private.Seed())),
		"another":   pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: otherDER}),
		"empty":     nil,
	} {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err := Read(path)
		require.ErrorContains(t, err, path, name)
		require.ErrorContains(t, err, "stasis key new", name)
		shown = append(shown, err.Error())
	}
	for _, text := range shown {
		for _, secret := range secrets(key) {
			require.NotContains(t, text, secret)
		}
	}
}
