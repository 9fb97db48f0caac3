package agency

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAgentKnowsItsNames: the others ask an agent by the name that --peer has for it, also
// when it advertises another one; and clients by the name that it was told to listen on.
func TestAgentKnowsItsNames(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) {
		c.ID, c.Peers = "AGNT-1", map[string]string{"AGNT-1": "agent-1.example:8531"}
		c.Listen, c.Advertise = "LOCALHOST:0", "node.example:8531"
	})
	for host, want := range map[string]int{
		"agent-1.example:8531": http.StatusOK, "node.example:8531": http.StatusOK, "localhost:1": http.StatusOK, "agent-2.example:8531": http.StatusForbidden,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.port.HTTP().Addr().String()+"/_api/agency/config", nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := s.http.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, host)
	}
}
