package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// A coordinator that accepts the question whether it serves, and never answers it, does not keep
// the command from ending.
func TestWaitForRestartEndsWithoutAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_admin/server/availability":
			<-r.Context().Done()
		case "/_admin/backup/restore":
			_ = json.NewEncoder(w).Encode(map[string]client.RestoreResult{"result": {Previous: "T_failsafe"}})
		default:
			_ = json.NewEncoder(w).Encode(map[string]string{"version": "3.12.5"})
		}
	}))
	defer server.Close()
	status, out, errOut := stasis("backup", "restore", "--endpoint", server.URL, "--identifier", "T_x", "--max-wait-for-restart", "0.3", "--server.request-timeout", "60")
	require.Equal(t, 1, status, out)
	require.Contains(t, out, "Successfully restored 'T_x'")
	require.Contains(t, errOut, "restored, but the server does not serve after 300ms")
}
