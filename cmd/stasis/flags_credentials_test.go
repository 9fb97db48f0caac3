package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Credentials that are given are sent, or refused with a reason; none are dropped.
func TestCredentialsAreSentOrRefused(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"version":"3.12.5","result":{"list":{}}}`))
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "options")
	require.NoError(t, os.WriteFile(file, []byte("[server]\nusername = root\npassword = x\n"), 0o600))
	const sent = "Basic cm9vdDp4" // root:x
	for args, want := range map[string]string{
		"status": "", "backup list": "",
		"status --username root --password x":                                     sent,
		"backup list --server.username root --server.password x":                  sent,
		"backup list --server.password x":                                         sent,
		"backup list --server.username root":                                      "Basic cm9vdDo=",
		"backup list --server.password= --server.authentication":                  "Basic cm9vdDo=",
		"backup list --server.password x --server.authentication=false":           "",
		"backup list --configuration " + file:                                     sent,
		"backup list --server.username ada --configuration " + file:               "Basic YWRhOng=",
		"backup list --server.authentication=false --configuration " + file:       "",
		"shards --username root --password x":                                     sent,
		"cluster events --last 1 --username root --password x":                    sent,
		"backup list --server.username root --server.password x --log.level info": sent,
	} {
		got = nil
		_, _, errOut := stasis(append(strings.Fields(args), "--endpoint", server.URL)...)
		require.NotEmpty(t, got, "%s: %s", args, errOut)
		for _, header := range got {
			require.Equal(t, want, header, args)
		}
	}
	got = nil
	host := strings.TrimPrefix(server.URL, "http://")
	for args, reason := range map[string]string{
		"status --password x --endpoint " + server.URL:       "--password without --username",
		"status --endpoint http://root:secret@" + host:       "credentials",
		"backup list --endpoint tcp://root:secret@" + host:   "credentials",
		"shards --endpoint root:secret@" + host:              "credentials",
		"cluster jobs --endpoint http://root:secret@" + host: "credentials",
	} {
		status, _, errOut := stasis(strings.Fields(args)...)
		require.Equal(t, 1, status, args)
		require.Contains(t, errOut, reason, args)
		require.NotContains(t, errOut, "secret")
	}
	require.Empty(t, got)
}

// running is a command that serves until its test ends.
type running struct {
	out, errOut watcher
	ended       chan error
}

func (r *running) said(w *watcher) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// serve starts a command and returns when it has written ready.
func serve(t *testing.T, ready string, args ...string) *running {
	t.Helper()
	is := make(chan struct{})
	once := sync.OnceFunc(func() { close(is) })
	r := &running{ended: make(chan error, 1)}
	r.out = watcher{until: ready, then: once}
	r.errOut = watcher{until: ready, then: once}
	ctx, stop := context.WithCancel(context.Background())
	root := rootCommand()
	root.SetOut(&r.out)
	root.SetErr(&r.errOut)
	root.SetArgs(args)
	go func() { r.ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-r.ended)
	})
	select {
	case <-is:
	case err := <-r.ended:
		r.ended <- err
		require.Fail(t, "it has ended", "%v %s", err, r.said(&r.errOut))
	}
	return r
}

// Whoever starts a cluster or a server, or asks how it is, reads that authentication is off.
func TestAuthenticationIsSaidToBeOff(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ready.json")
	single := serve(t, "Ctrl-C stops everything", "single", "--port", "0", "--dir", t.TempDir(), "--ready-file", file)
	require.Contains(t, single.said(&single.out), "authentication is off")
	var ready map[string][]struct{ URL string }
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(raw, &ready) == nil
	}, time.Minute, 20*time.Millisecond)
	status, out, errOut := stasis("status", "--endpoint", ready["coordinators"][0].URL)
	require.Zero(t, status, errOut)
	require.Regexp(t, `(?m)^authentication +off: every client that reaches a port is an administrator$`, out)
	status, out, errOut = stasis("status", "--json", "--endpoint", ready["coordinators"][0].URL)
	require.Zero(t, status, errOut)
	var s struct{ Authentication string }
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	require.Equal(t, "off", s.Authentication)

	agent := serve(t, "ready", "agent", "--dir", t.TempDir(), "--listen", "127.0.0.1:0")
	require.Regexp(t, `\[INFO\] +ready: .*authentication=off`, agent.said(&agent.errOut))
}
