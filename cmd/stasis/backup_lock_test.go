package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// commanded is a coordinator that answers commands on backups, and keeps what it was sent.
type commanded struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

// newCommanded answers each command with a status and a body.
func newCommanded(t *testing.T, status int, answers map[string]string) *commanded {
	t.Helper()
	c := &commanded{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		command, backup := strings.CutPrefix(r.URL.Path, "/_admin/backup/")
		body, _ := io.ReadAll(r.Body)
		if backup {
			c.mu.Lock()
			c.sent = append(c.sent, strings.TrimSpace(command+" "+string(body)))
			c.mu.Unlock()
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, answers[command])
	}))
	t.Cleanup(c.Close)
	return c
}

const heldLock = `{"error":false,"code":200,"result":{"lock":{"id":"2026-01-02T03.04.05Z_x","operation":"create","coordinator":"CRDN-1","since":"2026-01-02T03:04:05Z","value":"v","nonce":"n","leaseSeconds":15,"leaseLeftSeconds":12}}}`

// A lock is broken after a question alone, or with --yes, and it is the one that was shown.
func TestLockIsBrokenOnlyIfConfirmed(t *testing.T) {
	c := newCommanded(t, http.StatusOK, map[string]string{"agency-lock": heldLock})
	status, out, errOut := stasis("backup", "lock", "--break", "--server.endpoint", c.URL)
	require.NotZero(t, status)
	require.Contains(t, out, "create of backup 2026-01-02T03.04.05Z_x", "it is shown first")
	require.Contains(t, errOut, "there is no terminal: nothing was done; --yes breaks it without a question")
	require.Equal(t, []string{"agency-lock"}, c.sent)

	status, out, errOut = stasis("backup", "lock", "--break", "--yes", "--server.endpoint", c.URL)
	require.Zero(t, status, errOut)
	require.Contains(t, out, "The agency lock is broken. create of '2026-01-02T03.04.05Z_x' on CRDN-1 commits nothing from now on")
	require.Equal(t, `agency-lock {"break":{"value":"v","nonce":"n"}}`, c.sent[len(c.sent)-1])
	_, out, errOut = stasis("backup", "lock", "--break", "--json", "--server.endpoint", c.URL)
	require.Contains(t, errOut, "create of backup 2026-01-02T03.04.05Z_x", "it is shown first")
	require.Empty(t, out)
}

// What is said of a lock that was broken is true of a restore that is committed, and of a lock that
// another tool has written.
func TestWhatABrokenLockMeans(t *testing.T) {
	for answer, says := range map[string]string{
		`{"operation":"restore","id":"x","coordinator":"CRDN-1","nonce":"n","value":"v","committed":true}`: "restore of 'x' on CRDN-1 was committed before, and completes by itself",
		`{"value":"v","nonce":""}`: "The agency lock is broken. Its holder was unknown",
	} {
		c := newCommanded(t, http.StatusOK, map[string]string{"agency-lock": `{"error":false,"code":200,"result":{"lock":` + answer + `}}`})
		status, out, errOut := stasis("backup", "lock", "--break", "--yes", "--server.endpoint", c.URL)
		require.Zero(t, status, errOut)
		require.Contains(t, out, says)
	}
}

// A create that fails says how long writers waited for it, and what is unknown.
func TestFailedCreateShowsItsReport(t *testing.T) {
	answer := `{"error":true,"code":500,"errorNum":7001,"errorMessage":"dbserver-2 does not answer","report":{"attempts":[{"window":0.5,"elapsed":3.6,"failed":{"PRMR-2":"does not answer"},"lastServer":"PRMR-2",
		"servers":{"PRMR-1":{"granted":true,"dead":{"writers":12,"sum":7.19,"longest":0.624,"p99":0.624}},"PRMR-2":{"granted":true,"dead":null}}}],
		"writersWaited":12,"deadSumSeconds":7.19,"deadLongestSeconds":0.624,"deadUnknown":["PRMR-2"]}}`
	c := newCommanded(t, http.StatusInternalServerError, map[string]string{"create": answer, "/_api/version": `{"version":"3.12.5"}`})
	status, out, errOut := stasis("backup", "create", "--server.endpoint", c.URL)
	require.Equal(t, 1, status, errOut)
	require.Contains(t, out, "HTTP 500: dbserver-2 does not answer")
	require.Contains(t, out, "dead time: 12 writes waited, the longest 624.00 ms, together 7190.00 ms")
	require.Contains(t, out, "dead time: UNKNOWN at PRMR-2")

	_, out, _ = stasis("backup", "create", "--json", "--server.endpoint", c.URL)
	require.Contains(t, out, `"deadUnknown": [`, "scripts get it in the envelope")
}
