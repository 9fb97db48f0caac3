package client_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
)

// misnamed sends requests to one agent by a name that the agent does not know.
type misnamed struct {
	http.RoundTripper
	agent string
}

func (m misnamed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == m.agent {
		r = r.Clone(r.Context())
		r.Host = "balancer.example:8531"
	}
	return m.RoundTripper.RoundTrip(r)
}

// TestAgentThatRefusesItsName: an agent that does not know the name in a request refuses it
// unread. It is not taken for the leader: the others are asked. If there is no other, the
// error says what the operator can do.
func TestAgentThatRefusesItsName(t *testing.T) {
	withAgents(t, agency.Timing{}, func(t *testing.T, a *agents, _ *agencyclient.Client) {
		follower := map[string]string{"a": "b", "b": "c", "c": "a"}[a.leader()] + ":1"
		web := &http.Client{Transport: misnamed{a.http.Transport, follower}}
		c := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + follower, "http://a:1", "http://b:1", "http://c:1"}, HTTP: web})
		for range 3 {
			_, err := c.Write(minute(t), agencyclient.Tx{Ops: map[string]any{"/x": agencyclient.Increment(1)}})
			require.NoError(t, err)
		}
		root, err := c.Read(minute(t), "/x")
		require.NoError(t, err)
		x, _ := root.At("/x").Int()
		require.EqualValues(t, 3, x, "a request that was refused is applied")

		c = agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + follower}, HTTP: web})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = c.Write(ctx, agencyclient.Tx{Ops: map[string]any{"/x": 1}})
		require.ErrorIs(t, err, agencyclient.ErrUnavailable)
		require.ErrorContains(t, err, "--http.hosts")
	})
}
