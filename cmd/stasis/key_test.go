package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	"stasis/internal/signingkey"
)

// A new key is in a file of its user alone. What is printed is its public half, as the flag --key
// reads it. A file that others may read is refused.
func TestKeyNewAndShow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	status, out, errOut := stasis("key", "new", path)
	require.Zero(t, status, errOut)
	found, err := certificate.ParsePublicKeys([]byte(out))
	require.NoError(t, err)
	require.Len(t, found, 1)
	status, shown, _ := stasis("key", "show", "--file", path)
	require.Zero(t, status)
	require.Equal(t, out, shown)
	status, _, errOut = stasis("key", "new", path)
	require.Equal(t, 1, status)
	require.Contains(t, errOut, "file exists")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	secret := strings.Split(string(raw), "\n")[1]
	require.NotContains(t, out+errOut, secret)
	require.NoError(t, os.Chmod(path, 0o644))
	for _, args := range [][]string{
		{"key", "show", "--file", path},
		{"coordinator", "--dir", filepath.Join(t.TempDir(), "c"), "--listen", "127.0.0.1:0", "--agency", "http://127.0.0.1:1", "--backup.signing-key", path},
		{"backup", "verify", "--dir", t.TempDir(), "--key", path},
	} {
		status, out, errOut = stasis(args...)
		require.Equal(t, 1, status)
		require.NotContains(t, out+errOut, secret)
		if args[1] != "verify" {
			require.Contains(t, errOut, path+" has mode 0644")
		} else {
			require.Contains(t, errOut, "private key", "it is not a public one")
		}
	}
}

// Without any server, and with the key that was kept, a backup that was signed is told from one that
// was not, from another cluster's, and from a forged one.
func TestVerifyOfflineWithKey(t *testing.T) {
	dir, id := unpacked(t)
	key, err := signingkey.New()
	require.NoError(t, err)
	kept := filepath.Join(t.TempDir(), "kept")
	public := publicHalf(key)
	require.NoError(t, os.WriteFile(kept, []byte("# kept\n"+public.Public.String()+"\n"), 0o600))
	other, err := signingkey.New()
	require.NoError(t, err)
	verify := func(keys ...string) (status int, text string) {
		args := []string{"backup", "verify", "--dir", dir, "--identifier", id}
		for _, k := range keys {
			args = append(args, "--key", k)
		}
		status, out, errOut := stasis(args...)
		return status, out + errOut
	}
	status, text := verify()
	require.Zero(t, status)
	require.Contains(t, text, "unsigned: nothing shows which cluster made it")
	status, text = verify(kept)
	require.Equal(t, 1, status, "a backup is intact that is not signed")
	require.Contains(t, text, "the certificate is not signed")

	change := func(change func(raw []byte) []byte) {
		folders, err := filepath.Glob(filepath.Join(dir, "dbserver-*", "backups", id))
		require.NoError(t, err)
		require.Len(t, folders, 3)
		for _, folder := range folders {
			f := piece.In(vfs.Default, folder)
			raw, err := f.Certificate()
			require.NoError(t, err)
			require.NoError(t, f.WriteCertificate(change(raw)))
		}
	}
	change(func(raw []byte) []byte {
		c, err := certificate.Parse(raw)
		require.NoError(t, err)
		signed, err := c.Sign(key)
		require.NoError(t, err)
		return signed
	})
	status, text = verify(publicHalf(other).Public.String(), kept)
	require.Zero(t, status, text)
	require.Contains(t, text, "signed with key "+public.ID)
	require.Contains(t, text, "is intact and one instant")
	status, text = verify()
	require.Zero(t, status)
	require.Contains(t, text, "which is not known here: the signature was not checked")
	status, text = verify(publicHalf(other).Public.String())
	require.Equal(t, 1, status)
	require.Contains(t, text, "signed with another key")

	folders, err := filepath.Glob(filepath.Join(dir, "dbserver-1", "backups", id))
	require.NoError(t, err)
	twice := filepath.Join(dir, "copy", id)
	require.NoError(t, os.CopyFS(twice, os.DirFS(folders[0])))
	status, text = verify(kept)
	require.Equal(t, 1, status)
	require.Contains(t, text, "one of both may be forged")
	require.NoError(t, os.RemoveAll(twice))

	change(func(raw []byte) []byte { return append([]byte(" "), raw...) })
	status, text = verify(kept)
	require.Equal(t, 1, status, "a certificate with a changed byte is accepted")
	require.Contains(t, text, "not in the form in which a signed certificate is written")
}
