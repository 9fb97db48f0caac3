package dbserver

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// No remote is where a server of the cluster is: the agents, as the leader knows them,
// and every server that is registered, by both of its addresses.
func TestAddressesAreTheCluster(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		_, err := h.agency.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{
			keys.ServerRegistered("CRDN-1"): agencyclient.Set(keys.Registered{Endpoint: "tcp://coordinator:8529", AdvertisedEndpoint: "ssl://[fd00::1]:443/x"}),
		}})
		require.NoError(t, err)
		h.await("the coordinator is seen", func() bool { return slices.Contains(s.addresses().all(t.Context()), "coordinator:8529") })
		got := s.addresses().all(t.Context())
		for _, want := range []string{s.addr, "agent:1", "coordinator:8529", "[fd00::1]:443"} {
			require.Contains(t, got, want)
		}
		for _, a := range got {
			require.NotContains(t, a, "/")
		}
	})
}
