package minicluster

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/client"
	"stasis/internal/network"
)

// safeBuffer is written to by all servers.
type safeBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// secretsIn are the ways in which the private key of a file may be seen.
func secretsIn(t *testing.T, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	seed := parsed.(ed25519.PrivateKey).Seed()
	found := []string{string(seed), hex.EncodeToString(seed), strings.Trim(fmt.Sprint(seed), "[]")}
	for shift := range 3 { // base64 of it as a part of something longer
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), seed...))
		found = append(found, text[4:40])
	}
	return found
}

// A cluster signs its backups without any configuration, with a key that only its user may read and
// that stays the same. The private key is nowhere else: not in logs, the agency, backups, answers,
// other files.
func TestClusterSignsItsBackups(t *testing.T) {
	t.Parallel()
	log := &safeBuffer{}
	o := options(t, InProcess)
	o.Coordinators, o.Logger = 2, hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace})
	path := filepath.Join(o.Dir, signingKeyFile)
	var seen []string
	for i, label := range []string{"first", "second"} {
		c := start(t, o)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
		_, _, coordinators := c.Nodes()
		web := network.NewHTTPClient(network.TCP())
		cl, err := client.New(coordinators[i].URL, client.Options{HTTP: web})
		require.NoError(t, err)
		made, err := cl.Backups().Create(t.Context(), client.CreateRequest{Label: label})
		require.NoError(t, err)
		found, err := cl.Backups().Keys(t.Context())
		require.NoError(t, err)
		require.Len(t, found.Keys, 1, "it is the same key after a restart")
		require.Equal(t, found.Keys[0].ID, made.SigningKey)
		verified, err := cl.Backups().Verify(t.Context(), made.ID, found.Keys[0].Public)
		require.NoError(t, err)
		require.True(t, verified.Intact, verified.Problems)
		for _, answer := range []any{made, found, verified} {
			raw, err := json.Marshal(answer)
			require.NoError(t, err)
			seen = append(seen, string(raw))
		}
		agents, _, _ := c.Nodes()
		root, err := agencyclient.New(agencyclient.Options{Endpoints: []string{agents[0].URL}, HTTP: web}).Read(t.Context(), "/")
		require.NoError(t, err)
		seen = append(seen, root.String())
		web.CloseIdleConnections()
		require.NoError(t, c.Stop(t.Context()))
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err := Start(t.Context(), o)
	require.ErrorContains(t, err, path+" has mode 0644")
	seen = append(seen, log.String(), err.Error())
	secrets := secretsIn(t, path)
	require.NoError(t, filepath.WalkDir(o.Dir, func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || file == path {
			return err
		}
		raw, err := os.ReadFile(file)
		seen = append(seen, string(raw))
		return err
	}))
	require.Greater(t, len(seen), 30)
	for _, text := range seen {
		for _, secret := range secrets {
			require.False(t, strings.Contains(text, secret), "the private key is seen")
		}
	}
}
