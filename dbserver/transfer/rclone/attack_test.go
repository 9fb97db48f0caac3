package rclone

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
)

// attack is a configuration that would make the server run a program, use a file, or
// use what only the server has. option is what a refusal has to name.
type attack struct {
	name   string
	config dbclient.RemoteConfig
	option string
}

// attacks on a server where script is a program, and addr a place that answers.
func attacks(t testing.TB, script, addr string) []attack {
	t.Helper()
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	section := func(more ...string) map[string]string {
		s := map[string]string{}
		for i := 0; i < len(more); i += 2 {
			s[more[i]] = more[i+1]
		}
		return s
	}
	dav := section("type", "webdav", "url", "http://"+addr, "vendor", "other", "bearer_token_command", script)
	clean := section("type", "webdav", "url", "http://"+addr, "vendor", "other")
	ssh := section("type", "sftp", "host", host, "port", port, "user", "u", "pass", hidden, "ssh", script)
	crypt := func(remote string) map[string]string {
		return section("type", "crypt", "remote", remote, "password", hidden)
	}
	compress := func(remote string) map[string]string { return section("type", "compress", "remote", remote) }
	inlineDav := fmt.Sprintf(":webdav,url='http://%s',vendor=other,bearer_token_command='%s':", addr, script)
	inlineSSH := fmt.Sprintf(":sftp,host=%s,port=%s,user=u,pass=%s,ssh='%s':", host, port, hidden, script)
	all := []attack{
		{"a program: webdav, plain", dbclient.RemoteConfig{"r": dav}, "bearer_token_command"},
		{"a program: sftp, plain", dbclient.RemoteConfig{"r": ssh}, "ssh"},
		{"a program: wrapped twice", dbclient.RemoteConfig{"r": crypt("a:x"), "a": crypt("b:y"), "b": dav}, "bearer_token_command"},
	}
	for name, wrap := range map[string]func(string) map[string]string{"crypt": crypt, "compress": compress} {
		all = append(all,
			attack{"a program: webdav, wrapped by " + name, dbclient.RemoteConfig{"r": wrap("base:x"), "base": dav}, "bearer_token_command"},
			attack{"a program: sftp, wrapped by " + name, dbclient.RemoteConfig{"r": wrap("base:x"), "base": ssh}, "ssh"},
			attack{"a program: webdav, inline in " + name, dbclient.RemoteConfig{"r": wrap(inlineDav + "x")}, "bearer_token_command"},
			attack{"a program: sftp, inline in " + name, dbclient.RemoteConfig{"r": wrap(inlineSSH + "x")}, "ssh"},
			attack{"a program: option in the reference of " + name, dbclient.RemoteConfig{"r": wrap("base,bearer_token_command='" + script + "':x"), "base": clean}, "bearer_token_command"},
			attack{"a file: a path wrapped by " + name, dbclient.RemoteConfig{"r": wrap("/etc")}, "remote"},
			attack{"a file: a relative path wrapped by " + name, dbclient.RemoteConfig{"r": wrap("etc")}, "remote"},
			attack{"a file: :local: wrapped by " + name, dbclient.RemoteConfig{"r": wrap(":local:/etc")}, "local"},
			attack{"a file: local by another name, wrapped by " + name, dbclient.RemoteConfig{"r": wrap(":local,copy_links:/etc")}, "copy_links"},
			attack{"a section of rclone's own file, wrapped by " + name, dbclient.RemoteConfig{"r": wrap("elsewhere:x")}, "remote"},
			attack{"a file: type changed in the reference of " + name, dbclient.RemoteConfig{"r": wrap("base,type=local:/etc"), "base": clean}, "type"},
		)
	}
	for option, value := range map[string]string{
		"key_file": "/home/op/.ssh/id_rsa", "pubkey_file": "${HOME}/x", "known_hosts_file": "~/.ssh/known_hosts", "key_use_agent": "true", "ask_password": "true",
		"server_command": script, "md5sum_command": script, "set_env": "A=b", "socks_proxy": addr, "http_proxy": "http://" + addr,
	} {
		s := section("type", "sftp", "host", host, "port", port, "user", "u", "pass", hidden, option, value)
		all = append(all, attack{"sftp: " + option, dbclient.RemoteConfig{"r": s}, option})
	}
	for name, a := range map[string][]string{
		"sftp agent":            {"pass", "type", "sftp", "host", host, "port", port, "user", "u"},
		"webdav socket":         {"unix_socket", "type", "webdav", "url", "http://x", "unix_socket", "/run/x.sock"},
		"webdav sharepoint":     {"vendor", "type", "webdav", "url", "http://" + addr, "vendor", "sharepoint", "user", "u", "pass", hidden},
		"s3 environment":        {"env_auth", "type", "s3", "env_auth", "true", "endpoint", "http://" + addr},
		"s3 credentials file":   {"shared_credentials_file", "type", "s3", "shared_credentials_file", "/etc/passwd"},
		"s3 profile":            {"profile", "type", "s3", "profile", "admin"},
		"s3 role":               {"role_arn", "type", "s3", "access_key_id", "a", "secret_access_key", "b", "role_arn", "arn:aws:iam::1:role/x"},
		"s3 IBM":                {"ibm_iam_endpoint", "type", "s3", "ibm_iam_endpoint", "http://" + addr},
		"gcs file":              {"service_account_file", "type", "google cloud storage", "service_account_file", "/etc/sa.json"},
		"gcs by its other name": {"service_account_file", "type", "gcs", "service_account_file", "/etc/sa.json"},
		"gcs environment":       {"env_auth", "type", "google cloud storage", "env_auth", "true"},
		"gcs nothing":           {"anonymous", "type", "google cloud storage"},
		"gcs bad token":         {"token", "type", "google cloud storage", "token", "no JSON"},
		"gcs anonymous false":   {"anonymous", "type", "google cloud storage", "anonymous", "false"},
		"azure environment":     {"env_auth", "type", "azureblob", "account", "a", "env_auth", "true"},
		"azure identity":        {"use_msi", "type", "azureblob", "account", "a", "use_msi", "true"},
		"azure command":         {"use_az", "type", "azureblob", "account", "a", "use_az", "true"},
		"azure file":            {"service_principal_file", "type", "azureblob", "account", "a", "service_principal_file", "/etc/x"},
		"azure certificate":     {"client_certificate_path", "type", "azureblob", "account", "a", "client_certificate_path", "/etc/x"},
		"smb no host":           {"host", "type", "smb"},
		"ftp no host":           {"host", "type", "ftp"},
		"sftp no host":          {"host", "type", "sftp", "pass", hidden},
		"smb Kerberos":          {"use_kerberos", "type", "smb", "host", host, "use_kerberos", "true"},
		"smb cache":             {"kerberos_ccache", "type", "smb", "host", host, "kerberos_ccache", "/tmp/krb5cc_0"},
		"ftp proxy":             {"http_proxy", "type", "ftp", "host", host, "http_proxy", "http://" + addr},
		"ftp terminal":          {"ask_password", "type", "ftp", "host", host, "ask_password", "true"},
		"local links":           {"copy_links", "type", "local", "copy_links", "true"},
		"settings, global":      {"global.", "type", "memory", "global.http_proxy", "http://" + addr},
		"settings, override":    {"override.", "type", "memory", "override.config", "/etc/x"},
		"another backend's":     {"bearer_token_command", "type", "s3", "bearer_token_command", script},
	} {
		all = append(all, attack{name, dbclient.RemoteConfig{"r": section(a[1:]...)}, a[0]})
	}
	return all
}

// markerScript is a program that leaves a file when it is run.
func markerScript(t testing.TB) (script string, ran func() bool) {
	t.Helper()
	dir := t.TempDir()
	script, marker := filepath.Join(dir, "script"), filepath.Join(dir, "marker")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\ntouch '"+marker+"'\necho token\n"), 0o755))
	return script, func() bool {
		_, err := os.Stat(marker)
		if err == nil {
			require.NoError(t, os.Remove(marker))
		}
		return err == nil
	}
}

// A configuration in a request runs no program and names no file of the server, its
// environment or its credentials: plain, wrapped, and inline. The refusal names the
// option, and repeats no value.
func TestAttacksAreRefused(t *testing.T) {
	script, ran := markerScript(t)
	l, accepted := remotetest.Canary(t)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "none"))
	for _, a := range attacks(t, script, l) {
		t.Run(a.name, func(t *testing.T) {
			err := attempt(t, dbclient.Remote{Name: "r", Path: "x"}, a.config)
			require.False(t, ran(), "the program was run")
			require.Error(t, err)
			require.Zero(t, accepted(), "the server connected")
			require.ErrorContains(t, err, a.option)
			require.NotContains(t, err.Error(), script)
			require.NotContains(t, err.Error(), l)
		})
	}
}
