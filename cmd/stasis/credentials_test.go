package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
