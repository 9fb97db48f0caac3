package rclone

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	_ "github.com/rclone/rclone/cmd/serve/s3"
	_ "github.com/rclone/rclone/cmd/serve/sftp"
	_ "github.com/rclone/rclone/cmd/serve/webdav"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/rc"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// Credentials that must be seen nowhere.
const (
	accessKey = "AKIASTASISTESTACCESS"
	secretKey = "secret+key/that=nobody&may%see"
	password  = "pass word-nobody%may+see"
)

// realRemote is a kind of storage under test: how to reach a fresh one, and, for kinds
// that are on a disk here, where its files are.
type realRemote struct {
	name    string
	remote  dbclient.Remote
	config  dbclient.RemoteConfig
	dir     string   // of the files that the server has; "" if they are nowhere
	secrets []string // that must be seen nowhere
	missing string   // why there is none here; "": there is one
}

// need skips a test for a storage that is not here.
func (s realRemote) need(t testing.TB) {
	t.Helper()
	if s.missing != "" {
		t.Skip(s.missing)
	}
}

// serve starts one of rclone's own servers in this process, on a folder.
func serve(t testing.TB, kind, dir string, options rc.Params) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr = l.Addr().String()
	require.NoError(t, l.Close())
	in := rc.Params{"type": kind, "fs": dir, "addr": addr}
	for k, v := range options {
		in[k] = v
	}
	silence()
	out, err := rc.Calls.Get("serve/start").Fn(context.Background(), in)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := rc.Calls.Get("serve/stop").Fn(context.Background(), rc.Params{"id": out["id"]})
		require.NoError(t, err)
	})
	return addr
}

// storages starts or makes one of each kind.
func storages(t testing.TB) []realRemote {
	dir := func(name string) string { return filepath.Join(t.TempDir(), name) }
	s3, dav, ssh := dir("s3"), dir("webdav"), dir("sftp")
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	s3Addr := serve(t, "s3", mkdir(t, s3), rc.Params{"auth_key": []string{accessKey + "," + secretKey}})
	davAddr := serve(t, "webdav", mkdir(t, dav), rc.Params{"user": "someone", "pass": password})
	sshAddr := serve(t, "sftp", mkdir(t, ssh), rc.Params{"user": "someone", "pass": password, "key": sshKey(t)})
	_, sshPort, err := net.SplitHostPort(sshAddr)
	require.NoError(t, err)
	local := mkdir(t, dir("local"))
	return []realRemote{
		{name: "memory", remote: dbclient.Remote{Name: "m", Path: "bucket-" + uuid.NewString() + "/backups"}, config: dbclient.RemoteConfig{"m": {"type": "memory"}}},
		{name: "local", remote: dbclient.Remote{Name: "l", Path: local}, config: dbclient.RemoteConfig{"l": {"type": "local"}}, dir: local},
		{name: "s3", remote: dbclient.Remote{Name: "s", Path: "bucket/deep/path"}, config: dbclient.RemoteConfig{"s": {
			"type": "s3", "provider": "Rclone", "endpoint": "http://" + s3Addr, "access_key_id": accessKey, "secret_access_key": secretKey,
		}}, dir: filepath.Join(s3, "bucket", "deep", "path"), secrets: []string{accessKey, secretKey}},
		{name: "webdav", remote: dbclient.Remote{Name: "w", Path: "backups"}, config: dbclient.RemoteConfig{"w": {
			"type": "webdav", "vendor": "rclone", "url": "http://" + davAddr, "user": "someone", "pass": hidden,
		}}, dir: filepath.Join(dav, "backups"), secrets: []string{password, hidden}},
		{name: "sftp", remote: dbclient.Remote{Name: "h", Path: "backups"}, config: dbclient.RemoteConfig{"h": {
			"type": "sftp", "host": "127.0.0.1", "port": sshPort, "user": "someone", "pass": hidden,
		}}, dir: filepath.Join(ssh, "backups"), secrets: []string{password, hidden}},
		{name: "crypt", remote: dbclient.Remote{Name: "c", Path: "backups"}, config: dbclient.RemoteConfig{
			"c":    {"type": "crypt", "remote": "base:bucket/encrypted", "password": hidden},
			"base": {"type": "s3", "provider": "Rclone", "endpoint": "http://" + s3Addr, "access_key_id": accessKey, "secret_access_key": secretKey},
		}, secrets: []string{accessKey, secretKey, password, hidden}},
		openSSH(t), apache(t),
	}
}

// testRemotes allow what the tests need: folders of tests, and what is kept in memory.
func testRemotes(t testing.TB) *Remotes {
	t.Helper()
	prepare()
	var types []string
	for _, name := range Backends() {
		if _, ok := rules[name]; ok {
			types = append(types, name)
		}
	}
	s, err := New(Options{Types: types, LocalRoot: os.TempDir()})
	require.NoError(t, err)
	return s
}

func (s realRemote) open(t testing.TB) storage.Remote {
	t.Helper()
	r, err := testRemotes(t).Open(t.Context(), s.remote, s.config, nil)
	require.NoError(t, err)
	return r
}

// Every kind of storage keeps the contract of storage.Remote: rclone's own backends
// in memory and on disk, rclone's servers for S3, WebDAV and SFTP, OpenSSH's sftp and
// Apache's WebDAV.
func TestSuite(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.name, func(t *testing.T) {
			s.need(t)
			remotetest.Suite(t, func(t *testing.T) storage.Remote { return s.open(t) })
		})
	}
}

// Wrong credentials are an error that says so, soon, without saying them.
func TestErrorsHaveNoCredentials(t *testing.T) {
	wrong, err := obscure.Obscure("wrong-" + password)
	require.NoError(t, err)
	for _, s := range storages(t) {
		if s.name == "memory" || s.name == "local" {
			continue // these have no credentials
		}
		t.Run(s.name, func(t *testing.T) {
			s.need(t)
			for _, section := range s.config {
				for _, option := range []string{"secret_access_key", "pass"} {
					if _, has := section[option]; has {
						section[option] = wrong
					}
				}
				if _, has := section["key_pem"]; has {
					raw, err := os.ReadFile(sshKey(t)) // of another user
					require.NoError(t, err)
					section["key_pem"] = strings.ReplaceAll(strings.TrimSpace(string(raw)), "\n", `\n`)
				}
			}
			r, err := testRemotes(t).Open(t.Context(), s.remote, s.config, nil)
			if err == nil {
				_, err = r.List(t.Context(), "")
				if err == nil {
					err = remotetest.Put(t.Context(), r, "x/y", []byte("z"))
				}
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), "is a file", "it says what is wrong")
			for e := err; e != nil; {
				text := fmt.Sprintf("%v %+v %#v", e, e, e)
				for _, secret := range append([]string{accessKey, secretKey, password, wrong, "wrong-" + password}, s.secrets...) {
					require.NotContains(t, text, secret)
				}
				u, ok := e.(interface{ Unwrap() error })
				if !ok {
					break
				}
				e = u.Unwrap()
			}
			t.Log(err)
		})
	}
}

// What the default build has, and what a configuration may not do.
func TestConfiguration(t *testing.T) {
	for _, want := range []string{"local", "s3", "webdav", "sftp", "ftp", "smb", "dropbox", "google cloud storage", "azureblob", "http", "crypt", "compress", "memory"} {
		require.Contains(t, Backends(), want)
	}
	for name, config := range map[string]dbclient.RemoteConfig{
		"unknown type":                {"r": {"type": "floppy"}},
		"settings of the process":     {"r": {"type": "memory", "global.transfers": "7"}},
		"a section that is not there": {"r": {"type": "crypt", "remote": "elsewhere:x", "password": "x"}},
		"itself":                      {"r": {"type": "crypt", "remote": "r:x", "password": "x"}},
	} {
		_, err := testRemotes(t).Open(t.Context(), dbclient.Remote{Name: "r", Path: "x"}, config, nil)
		require.Error(t, err, name)
		require.False(t, strings.Contains(err.Error(), "rclone.conf"), "%s: %v", name, err)
	}
}
