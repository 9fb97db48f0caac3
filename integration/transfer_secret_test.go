package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/webdav"

	"stasis/agency/keys"
	"stasis/minicluster"
)

// vault is a WebDAV server behind a password, which repeats in the body of every error
// what it was asked with: credentials above all.
type vault struct {
	dav            webdav.Handler
	user, password string

	whole  sync.RWMutex // a PUT is seen whole or not at all: two servers may write the same manifest
	mu     sync.Mutex
	broken bool // answers 500 to everything
	seen   int  // requests with the right password
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	right := user == v.user && password == v.password
	v.mu.Lock()
	broken := v.broken
	if right {
		v.seen++
	}
	v.mu.Unlock()
	if right && !broken {
		if r.Method == http.MethodPut {
			v.whole.Lock()
			defer v.whole.Unlock()
		} else {
			v.whole.RLock()
			defer v.whole.RUnlock()
		}
		v.dav.ServeHTTP(w, r)
		return
	}
	status := http.StatusUnauthorized
	if broken {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Echo", r.Header.Get("Authorization"))
	w.WriteHeader(status)
	var headers strings.Builder
	for name, values := range r.Header {
		fmt.Fprintf(&headers, "%s: %s; ", name, strings.Join(values, ","))
	}
	fmt.Fprintf(w, `<?xml version="1.0"?><d:error xmlns:d="DAV:" xmlns:s="x"><s:exception>E</s:exception><s:message>no entry for %s with %s at %s: %s</s:message></d:error>`, user, password, r.URL, headers.String())
}

func (v *vault) setBroken(broken bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken = broken
}

// disguises are the forms in which secrets may be met.
func disguises(secrets ...string) map[string]string {
	forms := map[string]string{}
	for _, s := range secrets {
		quoted, _ := json.Marshal(s) // a string: cannot fail
		for _, f := range []string{
			s, url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)), strings.Trim(string(quoted), `"`),
			base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		} {
			forms[f] = s
		}
	}
	return forms
}

// hiding fails if text has one of the forms.
func hiding(t *testing.T, forms map[string]string, where string, text []byte) {
	t.Helper()
	for form, secret := range forms {
		if i := bytes.Index(text, []byte(form)); i >= 0 {
			require.Failf(t, "a secret is shown", "%s as %s in %s: %q", secret, form, where, text[max(0, i-100):min(len(text), i+100+len(form))])
		}
	}
}

// chatty makes processes that log all that there is to log.
func chatty(t *testing.T, binary string) string {
	path := filepath.Join(t.TempDir(), "chatty")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nexec '"+binary+"' \"$@\" --log-level trace\n"), 0o755))
	return path
}

// teller asks servers and keeps all that they answer.
type teller struct {
	t       *testing.T
	answers map[string][]byte
}

func (a *teller) keep(what string, answer []byte) {
	key := fmt.Sprintf("answer %d to %s", len(a.answers), what)
	a.answers[key] = answer
}

func (a *teller) ask(method, url string, body any) []byte {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*time.Minute)
	defer cancel()
	raw, err := json.Marshal(body)
	require.NoError(a.t, err)
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	require.NoError(a.t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(a.t, err)
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	got, err := io.ReadAll(resp.Body)
	require.NoError(a.t, err)
	a.keep(method+" "+url, fmt.Append(got, resp.Header))
	return got
}

// run is the program's command line.
func (a *teller) run(binary string, args ...string) (string, error) {
	a.t.Helper()
	out, err := exec.CommandContext(a.t.Context(), binary, args...).CombinedOutput()
	a.keep("stasis "+strings.Join(args, " "), out)
	return string(out), err
}

// Every value of a configuration that could be a secret is a marker, and a part of the remote's path: none of them, in
// no form, is in an answer, in the agency, in a log that logs everything, or in any
// file of the cluster, whether a transfer succeeds, is refused by the remote, or fails
// with errors of the remote that repeat what it was asked with.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const password, wrong, user, header = "mark-pass%word+/=ä", "mark-wr0ng-pass+/=", "mark-us&er+name", "mark-he4der-value"
	const malformed, inPath = "mark-m4lformed", "mark-p4th-secret"
	hidden, err := obscure.Obscure(password)
	require.NoError(t, err)
	hiddenWrong, err := obscure.Obscure(wrong)
	require.NoError(t, err)
	v := &vault{user: user, password: password, dav: webdav.Handler{FileSystem: webdav.Dir(t.TempDir()), LockSystem: webdav.NewMemLS()}}
	server := httptest.NewServer(v)
	defer server.Close()
	section := func(pass string) map[string]any {
		return map[string]any{"type": "webdav", "vendor": "other", "url": server.URL, "user": user, "pass": pass, "headers": "X-Token," + header}
	}
	forms := disguises(password, wrong, user, header, hidden, hiddenWrong, user+":"+password, user+":"+wrong, malformed, inPath)

	o := options(t, minicluster.Processes)
	program := o.Program.Path
	o.Program.Path = chatty(t, program)
	c := start(t, o)
	filled(t, c, 50)
	b := mustCreate(t, c, "secret")
	a := &teller{t: t, answers: map[string][]byte{}}
	agents, servers, coordinators := c.Nodes()
	here := coordinators[0].URL
	backups := here + "/_admin/backup/"
	command := func(name string, section map[string]any, more map[string]any) []byte {
		body := map[string]any{"id": b.ID, "remoteRepository": "w:x/" + inPath, "config": map[string]any{"w": section}}
		for k, value := range more {
			body[k] = value
		}
		return a.ask("POST", backups+name, body)
	}
	through := func(name string, section map[string]any, want string) {
		t.Helper()
		var answer struct {
			Result map[string]string `json:"result"`
		}
		require.NoError(t, json.Unmarshal(command(name, section, nil), &answer))
		id := answer.Result[name+"Id"]
		require.NotEmpty(t, id, "%+v", answer)
		requireEntries(t, ended(t, c, id), want)
		a.ask("POST", backups+name, map[string]string{name + "Id": id})
	}

	through("upload", section(hidden), keys.TransferCompleted)
	require.Positive(t, v.seen, "the password was not used: the test proves nothing")
	for _, op := range []string{"list", "verify", "prune"} {
		require.Contains(t, string(command("remote", section(hidden), map[string]any{"operation": op})), `"code":200`)
	}
	through("upload", section(hiddenWrong), keys.TransferFailed)
	through("download", section(hiddenWrong), keys.TransferFailed)
	command("remote", section(hiddenWrong), map[string]any{"operation": "list"})
	v.setBroken(true)
	through("upload", section(hidden), keys.TransferFailed)
	command("remote", section(hidden), map[string]any{"operation": "list"})
	v.setBroken(false)
	for _, bad := range []any{malformed, map[string]string{"type": malformed}, map[string]any{"type": "webdav", "pass": map[string]string{malformed: malformed}},
		map[string]string{"type": "webdav", "url": "http://" + malformed + ":%zz", "vendor": malformed, "pass": malformed}, map[string]string{"type": "crypt", "remote": malformed + ":", "password": malformed}} {
		a.ask("POST", backups+"upload", map[string]any{"id": b.ID, "remoteRepository": "w:bad", "config": map[string]any{"w": bad}})
		a.ask("POST", backups+"remote", map[string]any{"operation": "list", "remoteRepository": "w:bad", "config": map[string]any{"w": bad}})
	}
	for _, repository := range []string{"w,pass=" + inPath + ":x", ":webdav,pass=" + inPath + ":x", "w:x:" + inPath, "https://" + user + ":" + inPath + "@host/x"} {
		a.ask("POST", backups+"upload", map[string]any{"id": b.ID, "remoteRepository": repository, "config": map[string]any{"w": section(hidden)}})
	}
	a.ask("POST", backups+"transfers", nil)
	a.commandLine(program, here, b.ID, section(hidden), section(hiddenWrong), malformed)

	for _, n := range agents {
		for _, path := range []string{"config", "state", "stores", "poll?index=0"} {
			a.ask("GET", n.URL+"/_api/agency/"+path, nil)
		}
		a.ask("POST", n.URL+"/_api/agency/read", [][]string{{"/"}})
	}
	for _, n := range append(servers, coordinators...) {
		a.ask("GET", n.URL+"/_admin/status", nil)
		a.ask("GET", n.URL+"/_admin/metrics/v2", nil)
	}
	for what, answer := range a.answers {
		hiding(t, forms, what, answer)
	}
	c.stop(t)
	logs := 0
	require.NoError(t, filepath.WalkDir(o.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.HasSuffix(path, ".log") && (bytes.Contains(data, []byte("[TRACE]")) || bytes.Contains(data, []byte("[DEBUG]"))) {
			logs++
		}
		hiding(t, forms, path, data)
		return err
	}))
	require.Positive(t, logs, "nothing was logged in detail")
}

// commandLine does the same with the program's commands.
func (a *teller) commandLine(program, endpoint, id string, right, wrong map[string]any, malformed string) {
	a.t.Helper()
	dir := a.t.TempDir()
	file := func(name string, content any) string {
		raw, err := json.Marshal(content)
		require.NoError(a.t, err)
		path := filepath.Join(dir, name)
		require.NoError(a.t, os.WriteFile(path, raw, 0o600))
		return path
	}
	rightFile, wrongFile := file("right", map[string]any{"w": right}), file("wrong", map[string]any{"w": wrong})
	bad := filepath.Join(dir, "bad")
	require.NoError(a.t, os.WriteFile(bad, []byte(`{"w":{"pass":"`+malformed+`"`), 0o600))
	at := []string{"--server.endpoint", endpoint, "--log.level", "trace", "--remote-path", "w:x"}
	run := func(config string, ok bool, args ...string) {
		a.t.Helper()
		out, err := a.run(program, append(append(append([]string{"backup"}, args...), at...), "--rclone-config-file", config)...)
		require.Equal(a.t, ok, err == nil, "%v: %v\n%s", args, err, out)
	}
	run(rightFile, true, "upload", "--identifier", id, "--wait")
	run(wrongFile, false, "upload", "--identifier", id, "--wait")
	run(rightFile, true, "remote", "list")
	run(bad, false, "upload", "--identifier", id)
	out, err := a.run(program, "backup", "transfers", "--server.endpoint", endpoint)
	require.NoError(a.t, err, out)
}
