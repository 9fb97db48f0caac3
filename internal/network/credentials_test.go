package network

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// Requests with credentials are served, and the log says that these are not checked: with
// the first one, and then once an hour. Nothing of them is in the log.
func TestUncheckedCredentialsAreSaid(t *testing.T) {
	for name, c := range map[string]struct{ header, path, kind string }{
		"basic":            {"Basic cm9vdDpzZWNyZXQ=", "/_api/version", "kind=basic"},
		"bearer":           {"bearer secret", "/_api/version", "kind=bearer"},
		"without a scheme": {"secret", "/_api/version", "kind=unknown"},
		"of another kind":  {"Secret secret", "/_api/version", "kind=unknown"},
		"login":            {"", "/_open/auth", "kind=login"},
		"login, elsewhere": {"", "/_db/x/_open/auth", "kind=login"},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				served := 0
				u := &unchecked{log: hclog.New(&hclog.LoggerOptions{Output: &out}), next: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })}
				ask := func(header, path string) {
					r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"username":"root","password":"secret"}`))
					if header != "" {
						r.Header.Set("Authorization", header)
					}
					r.RemoteAddr = "192.0.2.1:4711"
					u.ServeHTTP(httptest.NewRecorder(), r)
				}
				ask("", "/_api/version")
				require.Empty(t, out.String(), "there are none")
				for range 100 {
					ask(c.header, c.path)
				}
				require.Equal(t, 101, served)
				require.Equal(t, 1, strings.Count(out.String(), "credentials are not checked: authentication is off"), out.String())
				require.Contains(t, out.String(), "[WARN]")
				require.Contains(t, out.String(), c.kind)
				require.Contains(t, out.String(), "from=192.0.2.1 ")
				time.Sleep(credentialsAgain)
				ask("", "/_api/version")
				require.Equal(t, 1, strings.Count(out.String(), "\n"))
				ask(c.header, c.path)
				require.Equal(t, 2, strings.Count(out.String(), "\n"))
				require.Contains(t, out.String(), "others=99")
				require.NotContains(t, strings.ToLower(out.String()), "secret")
				require.NotContains(t, out.String(), "cm9vdD")
			})
		})
	}
}
