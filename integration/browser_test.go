package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/network"
	"stasis/lab/world"
	"stasis/minicluster"
)

// A web page that the user's browser has loaded from elsewhere sends requests to every port
// of the cluster, with the content type that needs no permission. None has an effect; the
// same requests of a page that is trusted have.
func TestForeignPageHasNoEffect(t *testing.T) {
	const foreign, trusted = "https://evil.example", "https://app.example"
	trust := func(o *minicluster.Options) { o.Pages.TrustedOrigins = []string{trusted} }
	inBubbleOf(t, world.Config{Agents: 1, DBServers: 2, Coordinators: 1, Adjust: trust}, 1, func(b *bubble) {
		t := b.t
		web := network.NewHTTPClient(b.host("browser"))
		defer web.CloseIdleConnections()
		page := func(origin, host, method, url, body string) int {
			r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader([]byte(body)))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "text/plain")
			r.Header.Set("Origin", origin)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if host != "" {
				r.Host = host
			}
			response, err := web.Do(r)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response.StatusCode
		}
		var made struct{ ID string }
		require.NoError(t, b.clients[0].Backup(t.Context(), "create", map[string]any{}, &made))
		agents, servers, coordinators := b.Cluster().Nodes()
		at := coordinators[0].URL
		attacks := []struct{ method, url, body string }{
			{"POST", at + "/_admin/backup/delete", fmt.Sprintf(`{"id":%q}`, made.ID)},
			{"DELETE", at + "/_api/database/shop", ""},
			{"POST", agents[0].URL + "/_api/agency/write", `[[{"/arango/Plan/Databases":{"op":"delete"}}]]`},
			{"POST", servers[0].URL + dbclient.PathGateLock, `{}`},
		}
		for _, a := range attacks {
			require.Equal(t, http.StatusForbidden, page(foreign, "", a.method, a.url, a.body), "%s %s", a.method, a.url)
			// The page's own name, made to resolve to the server: the same origin for the browser.
			require.Equal(t, http.StatusForbidden, page("http://evil.example", "evil.example", a.method, a.url, a.body), "%s %s", a.method, a.url)
		}
		var list struct{ List map[string]any }
		require.NoError(t, b.clients[0].Backup(t.Context(), "list", map[string]any{}, &list))
		require.Contains(t, list.List, made.ID)
		var databases struct{ Result []string }
		require.NoError(t, b.clients[0].Do(t.Context(), "GET", "/_api/database", nil, &databases))
		require.Contains(t, databases.Result, "_system")

		require.Equal(t, http.StatusOK, page(trusted, "", "POST", at+"/_admin/backup/delete", fmt.Sprintf(`{"id":%q}`, made.ID)))
		list.List = nil
		require.NoError(t, b.clients[0].Backup(t.Context(), "list", map[string]any{}, &list))
		require.NotContains(t, list.List, made.ID)
	})
}
