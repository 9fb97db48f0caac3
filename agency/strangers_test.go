package agency

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/agency/port"
	"stasis/agency/recovery"
)

// TestStrangersAreRefused: an agent takes nothing from who belongs to another agency, or, where it
// matters, to another incarnation of its own: no stream of Raft, no request, no new member.
func TestStrangersAreRefused(t *testing.T) {
	foreign := keys.Origin{Agency: "11111111-2222-4333-8444-555555555555", Incarnation: 1}
	in := func(name string, test func(t *testing.T, c *cluster, mine keys.Origin)) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
				require.Equal(t, http.StatusOK, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
				c.kill("a")
				_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS()}) // so that there is an incarnation before
				require.NoError(t, err)
				c.start("a")
				require.Equal(t, "a", c.leader())
				mine := c.config("a").Origin
				require.EqualValues(t, 2, mine.Incarnation)
				test(t, c, mine)
			})
		})
	}
	in("a stream of Raft", func(t *testing.T, c *cluster, mine keys.Origin) {
		hello := func(theirs keys.Origin) string {
			line, err := json.Marshal(port.Hello{To: "AGNT-a", From: "AGNT-x", Origin: theirs, Leads: true})
			require.NoError(t, err)
			conn, err := c.net.Host("x").DialContext(t.Context(), "tcp", "a:1")
			require.NoError(t, err)
			_, err = io.WriteString(conn, raftPreamble+string(line)+"\n")
			require.NoError(t, err)
			answer, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			return answer
		}
		for _, theirs := range []keys.Origin{foreign, {Agency: mine.Agency, Incarnation: 1}, {}} {
			require.NotEqual(t, welcome+"\n", hello(theirs), "a stranger's stream is welcome: %s", theirs)
		}
		require.Equal(t, welcome+"\n", hello(mine), "the test proves nothing")
	})
	in("a request", func(t *testing.T, c *cluster, mine keys.Origin) {
		for _, theirs := range []keys.Origin{foreign, {Agency: mine.Agency, Incarnation: 3}, {Agency: mine.Agency, Incarnation: 2, Founding: "another"}} {
			got, err := c.send(t.Context(), http.MethodPost, "http://a:1/_api/agency/write", `[[{"x":2}]]`, keys.OriginHeader, theirs.Text())
			require.NoError(t, err)
			require.Equal(t, http.StatusMisdirectedRequest, got.status, "it does what is meant for another agency: %s", theirs)
			require.Contains(t, got.body, "nothing was done")
			require.Equal(t, mine.Text(), got.header.Get(keys.OriginHeader), "who asks learns whom it has met")
		}
		require.Equal(t, `[{"x":1}]`, c.ask("a", "read", `[["x"]]`).body)
	})
	in("a directory of before a recovery", func(t *testing.T, c *cluster, mine keys.Origin) {
		before := keys.Origin{Agency: mine.Agency, Incarnation: 1}
		for _, theirs := range []keys.Origin{before, foreign} {
			got, err := c.send(t.Context(), http.MethodPost, "http://a:1/_api/agency/members", `{"id":"AGNT-x","endpoint":"tcp://x:1","join":true,"ready":false}`, keys.OriginHeader, theirs.Text())
			require.NoError(t, err)
			require.Equal(t, http.StatusMisdirectedRequest, got.status, "it is taken in with a directory from before: %s", theirs)
		}
		require.Len(t, c.members(), 1)
	})
}
