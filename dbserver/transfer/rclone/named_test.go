package rclone

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
)

// The operator's file is rclone's or JSON; one that others can read is warned of, and
// no error repeats a value.
func TestReadNamed(t *testing.T) {
	want := dbclient.RemoteConfig{"store": {"type": "s3", "env_auth": "true", "secret_access_key": "a=b"}, "two words": {"type": "memory"}}
	path := filepath.Join(t.TempDir(), "remotes")
	for _, text := range []string{
		"# comment\n[store]\ntype = s3\nenv_auth = true\nsecret_access_key = a=b\n\n; another\n[two words]\ntype=memory\n",
		"\xef\xbb\xbf[store]\r\ntype = s3\r\nenv_auth = true\r\nsecret_access_key = a=b\r\n[two words]\r\ntype = memory\r\n",
		`{"store":{"type":"s3","env_auth":"true","secret_access_key":"a=b"},"two words":{"type":"memory"}}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		named, warning, err := ReadNamed(path)
		require.NoError(t, err)
		require.Empty(t, warning)
		require.Equal(t, want, named)
	}
	// Quotes and colons mean what they mean to rclone.
	require.NoError(t, os.WriteFile(path, []byte("[a]\ntype: s3\npass = `s3`cret `\n"), 0o600))
	named, _, err := ReadNamed(path)
	require.NoError(t, err)
	require.Equal(t, dbclient.RemoteConfig{"a": {"type": "s3", "pass": "s3`cret "}}, named)
	require.NoError(t, os.Chmod(path, 0o640))
	_, warning, err := ReadNamed(path)
	require.NoError(t, err)
	require.Contains(t, warning, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	for text, says := range map[string]string{
		"type = s3cret": "line 1", "[a]\ns3cret": "line 2", "[a]\n[a]": "twice", "[]\ns3cret": "no name", "[a]\nk = v\n\n\"s3cret": "line 4", "[a:b]\ntype = s3": "name", `{"a":{"type":7,"pass":"s3cret"}}`: "JSON",
		"# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\ns3cret": "encrypted",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, _, err := ReadNamed(path)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "s3cret")
	}
	_, _, err = ReadNamed(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "--backup.remotes")
}

// What the operator wrote is checked at the start.
func TestOperatorsRemotesAreChecked(t *testing.T) {
	root := t.TempDir()
	for says, named := range map[string]dbclient.RemoteConfig{
		"knows no remote of the type":    {"a": {"type": "floppy"}},
		"needs --backup.local-root":      {"a": {"type": "local"}},
		"refers to a remote":             {"a": {"type": "crypt", "remote": "b:x"}},
		"refers to itself":               {"a": {"type": "crypt", "remote": "a:x"}},
		"without --backup.local-root":    {"a": {"type": "crypt", "remote": "/srv/x"}},
		`option "global.transfers"`:      {"a": {"type": "memory", "global.transfers": "7"}},
		"want <name>:<path>":             {"a": {"type": "crypt", "remote": ":,:"}},
		"without --backup.local-root ":   {"a": {"type": "crypt", "remote": "b:/srv"}, "b": {"type": "local"}},
		"without --backup.local-root\t ": {"a": {"type": "crypt", "remote": ":local:/srv"}},
	} {
		_, err := New(Options{Named: named})
		require.ErrorContains(t, err, "--backup.remotes: [", says)
		if says = strings.TrimSpace(says); !strings.HasPrefix(says, "without") {
			require.ErrorContains(t, err, says)
		}
	}
	_, err := New(Options{LocalRoot: root, Named: dbclient.RemoteConfig{"a": {"type": "local", "copy_links": "true"}}})
	require.ErrorContains(t, err, `"copy_links"`)
	_, err = New(Options{LocalRoot: root, Named: dbclient.RemoteConfig{"a": {"type": "crypt", "remote": root + "/../x"}}})
	require.ErrorContains(t, err, "below")
	for _, types := range [][]string{{"floppy"}, {innerType}} {
		_, err = New(Options{Types: types})
		require.ErrorContains(t, err, "--backup.remote-types")
	}
	_, err = New(Options{Hosts: []string{"a b"}})
	require.ErrorContains(t, err, "--backup.remote-hosts")
}

// A request uses an operator's remote by its name, with whatever the operator wrote. It
// cannot change it, nor wrap it, nor be told what is in it.
func TestOperatorsRemotesAreUsedByName(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer server.Close()
	script, ran := markerScript(t)
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	root := t.TempDir()
	s, err := New(Options{LocalRoot: root, Types: []string{"crypt", "webdav"}, Named: dbclient.RemoteConfig{
		"dav":     {"type": "webdav", "url": server.URL, "vendor": "other", "user": "u", "pass": hidden},
		"program": {"type": "webdav", "url": server.URL, "vendor": "other", "bearer_token_command": script},
		"secret":  {"type": "crypt", "remote": "dav:x", "password": hidden},
		"disk":    {"type": "local"},
		"crypted": {"type": "crypt", "remote": root + "/crypted", "password": hidden},
	}})
	require.NoError(t, err)
	open := func(name, path string, config dbclient.RemoteConfig) error {
		r, err := s.Open(t.Context(), dbclient.Remote{Name: name, Path: path}, config, nil)
		if err != nil {
			return err
		}
		_, err = r.List(t.Context(), "")
		_ = r.Close() // the first error counts
		return err
	}
	for _, name := range []string{"dav", "secret", "program"} {
		err := open(name, "x", nil)
		require.ErrorContains(t, err, "HTTP status 403", name)
		require.NotContains(t, err.Error(), password)
		require.NotContains(t, err.Error(), hidden)
		require.NotZero(t, asked.Swap(0), name)
	}
	require.True(t, ran(), "what the operator wrote is done: the marker shows when a program runs")
	require.NoError(t, open("disk", root+"/disk", nil))
	require.ErrorContains(t, open("disk", "/etc", nil), "below")
	require.ErrorContains(t, s.Check(dbclient.Remote{Name: "disk", Path: "/etc"}, nil), "below", "it is refused before there is a job")
	require.NoError(t, open("crypted", "x", nil))

	for name, config := range map[string]dbclient.RemoteConfig{
		"an option": {"dav": {"pass": hidden}}, "another type": {"dav": {"type": "crypt", "remote": "x:y"}}, "a shadow": {"dav": {"type": "webdav", "url": server.URL}},
	} {
		require.ErrorContains(t, open("dav", "x", config), "cannot be changed by a request", name)
	}
	for _, remote := range []string{"dav:x", "dav,url=http://evil:x", "program:x", "disk:/etc"} {
		err := open("r", "x", dbclient.RemoteConfig{"r": {"type": "crypt", "remote": remote, "password": hidden}})
		require.ErrorContains(t, err, "a request cannot wrap", remote)
	}
	require.ErrorContains(t, open("dav,pass=x", "x", nil), "neither a section")
	require.ErrorContains(t, open(":webdav", "x", nil), "neither a section")
	require.ErrorContains(t, open("r", "x", dbclient.RemoteConfig{"r": {"type": "s3"}}), "--backup.remote-types")
	require.ErrorContains(t, open("r", "x", dbclient.RemoteConfig{"r": {"type": "crypt", "remote": ":s3:x", "password": hidden}}), "--backup.remote-types")
	require.Zero(t, asked.Load())
	require.False(t, ran())
}

// By default memory is no remote.
func TestTypesByDefault(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	require.ErrorContains(t, s.Check(dbclient.Remote{Name: "r"}, dbclient.RemoteConfig{"r": {"type": "memory"}}), "--backup.remote-types")
	require.NoError(t, s.Check(dbclient.Remote{Name: "r"}, dbclient.RemoteConfig{"r": {"type": "s3", "env_auth": "false", "profile": ""}}), "what rclone's own files say although it says nothing")
}

// The server's environment has no say in a remote of a request, wrapped or not.
func TestEnvironmentIsNotRead(t *testing.T) {
	script, ran := markerScript(t)
	addr, _ := remotetest.Canary(t)
	for _, name := range []string{"RCLONE_WEBDAV_BEARER_TOKEN_COMMAND", "RCLONE_CONFIG_R_BEARER_TOKEN_COMMAND", "RCLONE_CONFIG_BASE_BEARER_TOKEN_COMMAND", "RCLONE_STASISSECTION_BEARER_TOKEN_COMMAND"} {
		t.Setenv(name, script)
	}
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	dav := map[string]string{"type": "webdav", "url": "http://" + addr, "vendor": "other"}
	for _, config := range []dbclient.RemoteConfig{
		{"r": dav}, {"r": {"type": "crypt", "remote": "base:x", "password": hidden}, "base": dav},
		{"r": {"type": "crypt", "remote": ":webdav,url='http://" + addr + "':x", "password": hidden}},
	} {
		_ = attempt(t, dbclient.Remote{Name: "r", Path: "x"}, config) // there is nothing
		require.False(t, ran())
	}
}
