package rclone

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
)

// requireShort fails unless an error is one short line without what the remote said.
func requireShort(t testing.TB, err error, said, what string) {
	t.Helper()
	if err == nil {
		return
	}
	require.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(said), what)
	require.NotContains(t, err.Error(), "\n", what)
	require.Less(t, len(err.Error()), 400, what)
	for e := err; e != nil; e = errors.Unwrap(e) {
		require.NotContains(t, fmt.Sprintf("%+v %#v", e, e), said, what)
	}
}

// What a remote answers is not repeated: not the body of an error of any form, nor what
// a service says that is no remote at all. A status is.
func TestAnswersAreNotRepeated(t *testing.T) {
	const said = "canary-from-inside"
	bodies := map[string]string{
		"text": said + " root:x:0:0:root:/root:/bin/sh",
		"xml":  `<?xml version="1.0"?><Error xmlns:s="x"><Code>` + said + `</Code><Message>` + said + `</Message><s:message>` + said + `</s:message><s:exception>` + said + `</s:exception></Error>`,
		"json": `{"error":"` + said + `","error_description":"` + said + `","error_summary":"` + said + `","AccessKeyId":"` + said + `"}`,
		"gcs":  `{"error":{"code":500,"message":"` + said + `","errors":[{"reason":"` + said + `","message":"` + said + `"}]}}`,
		"list": `<ListBucketResult><Name>` + said + `</Name><Contents><Key>` + said,
	}
	for form, body := range bodies {
		for _, status := range []int{200, 400, 403, 409, 500} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", map[bool]string{true: "application/json", false: "application/xml"}[strings.HasPrefix(body, "{")])
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body)) // the client may be gone
			}))
			for name, config := range reaching(t, strings.TrimPrefix(server.URL, "http://")) {
				switch kind, _, _ := strings.Cut(name, " "); {
				case kind == "sftp", kind == "ftp", kind == "smb", kind == "crypt", kind == "azure" && (name != "azure key" || status == 500):
					continue // no HTTP, or as another
				case strings.HasPrefix(name, "dropbox") && status != 400, kind == "s3" && status == 500:
					continue // they try again for ten seconds
				}
				what := fmt.Sprintf("%s, %d, %s", name, status, form)
				began := time.Now()
				err := visit(t, testRemotes(t), config, nil)
				t.Log(what, time.Since(began), err)
				requireShort(t, err, said, what)
				if status >= 400 && status != 409 && form != "gcs" && (name == "webdav" || name == "s3" || name == "http" || name == "gcs anonymous") {
					require.ErrorContains(t, err, fmt.Sprintf("HTTP status %d", status), what)
				}
			}
			server.Close()
		}
	}
}

// A service that speaks another protocol is not quoted either.
func TestBannersAreNotRepeated(t *testing.T) {
	const said = "canary-banner"
	for _, banner := range []string{"SSH-2.0-" + said + "\r\n", "220 " + said + "\r\n", "530 " + said + "\r\n", "-ERR " + said + "\r\n", "HTTP/1.1 999 " + said + "\r\n\r\n", said + "\x00\x1b[31m\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(banner))
				_ = conn.Close()
			}
		}()
		all := reaching(t, l.Addr().String())
		for _, name := range []string{"sftp", "ftp", "smb", "http"} {
			err := visit(t, testRemotes(t), all[name], nil)
			require.Error(t, err, name)
			requireShort(t, err, said, name)
		}
		_ = l.Close()
		<-done
	}
}

// The texts of this side are kept; of others a line.
func TestDescribe(t *testing.T) {
	for text, want := range map[string]string{
		"one\ntwo":                              "one",
		"open \"/etc/x\": no":                   "open …: no",
		"returned body: secret":                 "returned body …",
		"a\x1b[31mb\tc":                         "a …",
		"answer {\"a\":1}":                      "answer …",
		strings.Repeat("word ", 100):            strings.TrimSpace(strings.Repeat("word ", 32)) + "…",
		"it says 503 Service Unavailable: help": "HTTP status 503 Service Unavailable",
		"sftp: \"x\" (SSH_FX_FAILURE)":          "SSH_FX_FAILURE",
	} {
		require.Equal(t, want, describe(errors.New(text)))
	}
	require.Equal(t, "7 bytes", describe(fmt.Errorf("x: %w", own("%d bytes", 7))))
}

// A secret in a remote's path is not in its errors.
func TestPathIsNotShown(t *testing.T) {
	const secret = "s3cret-in-path"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.URL.String(), http.StatusForbidden)
	}))
	defer server.Close()
	for name, config := range reaching(t, strings.TrimPrefix(server.URL, "http://")) {
		if name == "azure key" || !strings.HasPrefix(name, "azure") && !strings.HasPrefix(name, "dropbox") && name != "sftp" && name != "ftp" && name != "smb" {
			r, err := testRemotes(t).Open(t.Context(), dbclient.Remote{Name: "r", Path: "bucket/" + secret + "/x"}, config, nil)
			if err == nil {
				_, err = r.List(t.Context(), "")
				_ = r.Close() // the first error counts
			}
			requireShort(t, err, secret, name)
		}
	}
	local := dbclient.RemoteConfig{"r": {"type": "local"}}
	_, err := testRemotes(t).Open(t.Context(), dbclient.Remote{Name: "r", Path: "/outside/" + secret}, local, nil)
	require.Error(t, err)
	requireShort(t, err, secret, "local")
	require.NotErrorIs(t, err, storage.ErrNotFound)
}
