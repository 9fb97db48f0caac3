package agency

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConfigure: what may be changed while the agent runs, and how refusals look.
func TestConfigure(t *testing.T) {
	s := alone(t, t.TempDir())
	put := func(body string) (int, map[string]any) {
		r := s.ask("PUT", "/_api/agency/config", body)
		return r.status, decoded(t, r)
	}
	status, body := put(`{"compaction step size":100,"compaction keep size":3,"something else":1}`)
	require.Equal(t, 200, status)
	require.EqualValues(t, 100, body["configuration"].(map[string]any)["compaction step size"])
	require.EqualValues(t, 3, body["configuration"].(map[string]any)["compaction keep size"])
	for _, bad := range []string{`{"compaction step size":0}`, `{"compaction keep size":-1}`, `[]`, `{"id":"AGNT-x","endpoint":"tcp://h:1"}`, `{"id":"x","endpoint":"h"}`} {
		status, body := put(bad)
		require.Equal(t, 500, status, bad)
		require.EqualValues(t, 4, body["errorNum"], bad)
	}
	for range 9 {
		s.post("write", `[[{"a":{"op":"increment"}}]]`)
	}
	require.EqualValues(t, 6, decoded(t, s.get("config"))["lastCompactionAt"], "three changes are kept")
	require.Equal(t, `200 {"a":5}`, s.post("store", `5`).String())
	for _, other := range []string{`0`, `9`, `99`, `"x"`, ``} {
		require.Equal(t, `200 {"a":9}`, s.post("store", other).String(), other)
	}
	require.Equal(t, 200, s.post("compact", ``).status)
	require.Equal(t, 200, s.post("compact", ``).status, "again, with nothing new")
	shots, err := s.disk.Snapshots.List()
	require.NoError(t, err)
	require.NotEmpty(t, shots)
}
