package rclone

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
)

// A remote that may be where it is cannot lead the server to a port of the cluster: every
// connection is checked, not the remote.
func TestRemoteLeadsNowhere(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	var asked atomic.Int64
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "http://"+victim+"/", http.StatusTemporaryRedirect)
	}))
	defer redirecting.Close()
	err := visit(t, testRemotes(t), dbclient.RemoteConfig{"r": {"type": "http", "url": redirecting.URL}}, at(victim))
	require.NotZero(t, asked.Load(), "the test proves nothing")
	require.Zero(t, accepted(), "the remote has led the server to a port of the cluster")
	require.ErrorContains(t, err, "is a port of this cluster")
}

// The backend that knows no proxy is checked before it connects.
func TestPinnedHostIsChecked(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	host, port, err := net.SplitHostPort(victim)
	require.NoError(t, err)
	err = visit(t, testRemotes(t), dbclient.RemoteConfig{"r": {"type": "smb", "host": host, "port": port, "user": "u"}}, at(victim))
	require.Zero(t, accepted(), "the server has connected to a port of the cluster")
	require.ErrorContains(t, err, "is a port of this cluster")
}

// ftpServer is an FTP server that has the client open its connections for data at another place.
func ftpServer(t *testing.T, place string) (addr string, led func() int64) {
	t.Helper()
	host, port, err := net.SplitHostPort(place)
	require.NoError(t, err)
	var number int
	_, err = fmt.Sscan(port, &number)
	require.NoError(t, err)
	passive := fmt.Sprintf("227 Entering Passive Mode (%s,%d,%d)", strings.ReplaceAll(host, ".", ","), number>>8, number&0xff)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var n atomic.Int64
	serve := func(conn net.Conn) {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		say := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
		say("220 ready")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			switch command, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " "); command {
			case "USER":
				say("331 password")
			case "PASS":
				say("230 in")
			case "PASV":
				n.Add(1)
				say(passive)
			case "EPSV":
				n.Add(1)
				say(fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", number))
			case "FEAT", "OPTS":
				say("502 no")
			case "PWD":
				say(`257 "/"`)
			case "QUIT":
				say("221 bye")
				return
			default:
				say("200 yes")
			}
		}
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return l.Addr().String(), n.Load
}

// An FTP server says where the client has to open the connection for data: not at a port of the cluster.
func TestFTPServerLeadsNowhere(t *testing.T) {
	victim, accepted := remotetest.Canary(t)
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	for _, extended := range []string{"false", "true"} { // disable_epsv
		addr, led := ftpServer(t, victim)
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		err = visit(t, testRemotes(t), dbclient.RemoteConfig{"r": {"type": "ftp", "host": host, "port": port, "user": "u", "pass": hidden, "disable_epsv": extended}}, at(victim))
		require.NotZero(t, led(), "the test proves nothing: %v", err)
		require.Zero(t, accepted(), "the remote has led the server to a port of the cluster")
		require.ErrorContains(t, err, "is a port of this cluster")
	}
}

// What the list allows is no way to a file or a program either: other schemes of URLs, and the
// kinds of Google's credentials that name a file or a command.
func TestAllowedOptionsNameNoFiles(t *testing.T) {
	script, ran := markerScript(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret-of-the-server"), 0o600))
	addr, accepted := remotetest.Canary(t)
	external := func(source string) string {
		return `{"type":"external_account","audience":"//iam.googleapis.com/projects/1","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",` +
			`"token_url":"http://` + addr + `","credential_source":` + source + `}`
	}
	for name, section := range map[string]map[string]string{
		"http file":    {"type": "http", "url": "file://" + secret},
		"webdav file":  {"type": "webdav", "url": "file://" + secret, "vendor": "other"},
		"s3 file":      {"type": "s3", "provider": "Other", "endpoint": "file://" + secret, "access_key_id": "a", "secret_access_key": "b"},
		"azure file":   {"type": "azureblob", "sas_url": "file://" + secret + "?sv=x&sig=y"},
		"gcs file":     {"type": "google cloud storage", "service_account_credentials": external(`{"file":"` + secret + `"}`)},
		"gcs program":  {"type": "google cloud storage", "service_account_credentials": external(`{"executable":{"command":"` + script + `","timeout_millis":5000}}`)},
		"gcs url":      {"type": "google cloud storage", "service_account_credentials": external(`{"url":"http://` + addr + `"}`)},
		"gcs a path":   {"type": "google cloud storage", "service_account_credentials": secret},
		"sftp a path":  {"type": "sftp", "host": "127.0.0.1", "port": "9", "user": "u", "key_pem": secret},
		"sftp a proxy": {"type": "sftp", "host": "-oProxyCommand=" + script, "user": "u", "pass": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1") // as on a server where the operator uses them
			err := attempt(t, dbclient.Remote{Name: "r", Path: "x"}, dbclient.RemoteConfig{"r": section})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cret-of-the-server")
			require.False(t, ran(), "the program was run")
			require.Zero(t, accepted(), "something was sent")
		})
	}
}
