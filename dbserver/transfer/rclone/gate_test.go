package rclone

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// reaching are configurations of every backend that connects, with the remote at addr:
// by each option that is a host.
func reaching(t testing.TB, addr string) map[string]dbclient.RemoteConfig {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "a@b", "token_uri": "http://" + addr,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	require.NoError(t, err)
	const expired = `{"access_token":"x","refresh_token":"y","expiry":"2001-01-01T00:00:00Z"}`
	url := "http://" + addr
	sections := map[string]map[string]string{
		"webdav":         {"type": "webdav", "url": url, "vendor": "other", "user": "u", "pass": hidden},
		"webdav ntlm":    {"type": "webdav", "url": url, "vendor": "sharepoint-ntlm", "user": "u", "pass": hidden},
		"http":           {"type": "http", "url": url},
		"s3":             {"type": "s3", "provider": "Other", "endpoint": url, "access_key_id": "a", "secret_access_key": "b"},
		"azure key":      {"type": "azureblob", "account": "a", "key": "YQ==", "endpoint": url},
		"azure SAS":      {"type": "azureblob", "sas_url": url + "/?sv=x&sig=y"},
		"azure string":   {"type": "azureblob", "connection_string": "BlobEndpoint=" + url + ";AccountName=a;AccountKey=YQ=="},
		"azure emulator": {"type": "azureblob", "use_emulator": "true", "endpoint": url},
		"gcs anonymous":  {"type": "google cloud storage", "anonymous": "true", "endpoint": url},
		"gcs token":      {"type": "google cloud storage", "access_token": "x", "endpoint": url},
		"gcs account":    {"type": "google cloud storage", "service_account_credentials": string(account)},
		"dropbox":        {"type": "dropbox", "token": expired, "token_url": url, "client_id": "a", "client_secret": "b"},
		"sftp":           {"type": "sftp", "host": host, "port": port, "user": "u", "pass": hidden},
		"ftp":            {"type": "ftp", "host": host, "port": port, "user": "u", "pass": hidden},
		"smb":            {"type": "smb", "host": host, "port": port, "user": "u", "pass": hidden},
	}
	all := map[string]dbclient.RemoteConfig{"crypt": {"r": {"type": "crypt", "remote": "base:x", "password": hidden}, "base": sections["s3"]}}
	for name, s := range sections {
		all[name] = dbclient.RemoteConfig{"r": s}
	}
	return all
}

// visit opens a remote, lists it, and gives the first error.
func visit(t testing.TB, s *Remotes, config dbclient.RemoteConfig, own storage.Addresses) error {
	t.Helper()
	r, err := s.Open(t.Context(), dbclient.Remote{Name: "r", Path: "bucket/x"}, config, own)
	if err != nil {
		return err
	}
	_, err = r.List(t.Context(), "")
	_ = r.Close() // the first error counts
	return err
}

func at(addresses ...string) storage.Addresses {
	return func(context.Context) []string { return addresses }
}

// No backend reaches a port of the cluster, however its address is written; each does
// when the operator allows it, so each would have.
func TestNoRemoteIsAPortOfTheCluster(t *testing.T) {
	addr, accepted := remotetest.Canary(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	s := testRemotes(t)
	open, err := New(Options{Types: s.policy.types, Hosts: []string{"127.0.0.0/8", "localhost", "::1"}})
	require.NoError(t, err)
	for name, config := range reaching(t, addr) {
		began := time.Now()
		err := visit(t, s, config, at("example.invalid:1", "127.0.0.1:"+port))
		require.ErrorContains(t, err, "is a port of this cluster (--backup.remote-hosts allows more)", name)
		require.Zero(t, accepted(), name)
		_ = visit(t, open, config, at("127.0.0.1:"+port)) // there is nothing, which not all call an error
		require.NotZero(t, accepted(), "%s: the test proves nothing", name)
		t.Log(name, time.Since(began))
	}
	for _, written := range []string{"localhost", "127.0.0.2", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0177.0.0.1"} {
		for _, own := range []string{"127.0.0.1:" + port, "localhost:" + port, "0.0.0.0:" + port, "[::]:" + port} {
			err := visit(t, s, dbclient.RemoteConfig{"r": {"type": "http", "url": "http://" + written + ":" + port}}, at(own))
			require.Error(t, err, "%s, %s", written, own)
			require.Zero(t, accepted(), "%s, %s: %v", written, own, err)
		}
	}
	err = visit(t, s, dbclient.RemoteConfig{"r": {"type": "http", "url": "http://" + addr}}, at("no-such-host.invalid:"+port))
	require.ErrorContains(t, err, "it cannot be told whether", "what cannot be looked up is not allowed")
	require.Zero(t, accepted())
}

// No backend reaches a link-local address or the metadata service of a machine.
func TestNoRemoteIsLinkLocal(t *testing.T) {
	s := testRemotes(t)
	for name, config := range reaching(t, "169.254.169.254:80") {
		require.ErrorContains(t, visit(t, s, config, nil), "is link-local", name)
	}
	for name, config := range reaching(t, "[fe80::1]:80") {
		if name == "s3" || name == "crypt" || name == "ftp" || name == "dropbox" {
			continue // the library takes no such host; tries again for long
		}
		require.ErrorContains(t, visit(t, s, config, nil), "is link-local", name)
	}
	for _, host := range []string{"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "0.0.0.0", "[::]", "100.100.100.200", "224.0.0.1"} {
		err := visit(t, s, dbclient.RemoteConfig{"r": {"type": "http", "url": "http://" + host + "/"}}, nil)
		require.ErrorContains(t, err, "a remote may not be there", host)
		require.ErrorIs(t, err, storage.ErrFinal, host)
	}
}

// A redirect leads nowhere where the remote itself may not be.
func TestRedirectsAreChecked(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	for _, target := range []string{"http://" + victim + "/", "http://169.254.169.254/latest/meta-data/"} {
		var asked atomic.Int64
		redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		}))
		for name, config := range reaching(t, strings.TrimPrefix(redirecting.URL, "http://")) {
			if name == "sftp" || name == "ftp" || name == "smb" || name == "dropbox" {
				continue // not HTTP; tries again for long
			}
			require.Error(t, visit(t, testRemotes(t), config, at(victim)), name)
			require.Zero(t, accepted(), name)
			require.NotZero(t, asked.Swap(0), name)
		}
		redirecting.Close()
	}
}

// A remote that is opened after others were closed works, also where rclone shares one
// client between all remotes.
func TestGateOpensAgain(t *testing.T) {
	var asked atomic.Int64
	answering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	}))
	defer answering.Close()
	config := reaching(t, strings.TrimPrefix(answering.URL, "http://"))
	for range 3 {
		for _, name := range []string{"azure key", "webdav"} {
			if err := visit(t, testRemotes(t), config[name], nil); err != nil {
				require.ErrorContains(t, err, "404", name)
			}
			require.NotZero(t, asked.Swap(0), name)
		}
	}
}
