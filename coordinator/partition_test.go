package coordinator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency"
	"stasis/coordinator"
	"stasis/dbserver"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// Between a coordinator and a DB server the network fails in both directions. Cut on
// the way there: the write was not applied, the answer comes in time, and a repair
// is noticed. Cut on the way back: the outcome is unknown, the error says so, and the
// write is not sent twice.
func TestPartition(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		ctx := t.Context()
		agent, err := agency.Start(ctx, agency.Config{Listen: "agent:1", Dir: "agent", FS: vfs.NewMem(), Network: m.Host("agent")})
		require.NoError(t, err)
		db, err := dbserver.Start(ctx, dbserver.Config{Dir: "d", FS: vfs.NewMem(), Listen: "db:1", Agency: []string{agent.URL()}, Network: m.Host("db")})
		require.NoError(t, err)
		co, err := coordinator.Start(ctx, coordinator.Config{
			Listen: "co:1", Agency: []string{agent.URL()}, Network: m.Host("co"), Timing: coordinator.Timing{Request: 20 * time.Second},
		})
		require.NoError(t, err)
		c := &cluster{http: network.NewHTTPClient(m.Host("client"))}
		post := func(body string) answer {
			a, err := c.send(ctx, co.URL(), "POST", "/_api/document/c", strings.NewReader(body))
			require.NoError(t, err)
			return a
		}
		a, err := c.send(ctx, co.URL(), "POST", "/_api/collection", strings.NewReader(`{"name":"c"}`))
		require.NoError(t, err)
		want(t, a, http.StatusOK, 0)
		want(t, post(`{"_key":"before"}`), 202, 0)

		m.Cut("db", "co") // the request arrives, its answer does not
		a = post(`{"_key":"unknown"}`)
		want(t, a, 503, 1465)
		require.Contains(t, a.body, "outcome is unknown")
		m.HealAll()
		a, err = c.send(ctx, co.URL(), "GET", "/_api/document/c/unknown", nil)
		require.NoError(t, err)
		require.Contains(t, []int{200, 404}, a.status)
		want(t, post(`{"_key":"after"}`), 202, 0)

		m.Isolate("db")
		began := time.Now()
		a = post(`{"_key":"lost"}`)
		want(t, a, 503, 1465)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Less(t, time.Since(began), 30*time.Second)
		m.Rejoin("db")
		require.Eventually(t, func() bool { return post(`{"a":1}`).status == 202 }, 30*time.Second, time.Second)

		c.http.CloseIdleConnections()
		closing(t, co.Close)
		closing(t, db.Close)
		closing(t, agent.Close)
		require.NoError(t, m.Close())
	})
}
