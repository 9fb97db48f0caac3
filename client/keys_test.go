package client_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/apierror"
)

// A coordinator of a version that knows no keys ignores those of a request. It gets none: it would
// take a forged backup for good.
func TestCoordinatorThatKnowsNoKeysIsNotAsked(t *testing.T) {
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		if r.URL.Path == "/_admin/backup/keys" {
			w.WriteHeader(http.StatusNotImplemented)
			_ = json.NewEncoder(w).Encode(apierror.New(apierror.NotImplemented, `unknown backup command "keys"`))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"result": map[string]any{"intact": true}})
	}))
	defer server.Close()
	b, keys := newClient(t, server.URL).Backups(), []client.PublicKey{{1}}
	for name, do := range map[string]func(keys []client.PublicKey) error{
		"verify": func(keys []client.PublicKey) error { _, err := b.Verify(t.Context(), "x", keys...); return err },
		"restore": func(keys []client.PublicKey) error {
			_, err := b.Restore(t.Context(), client.RestoreRequest{ID: "x", Keys: keys})
			return err
		},
		"download": func(keys []client.PublicKey) error {
			_, err := b.Transfer(t.Context(), client.Download, client.TransferRequest{ID: "x", Keys: keys})
			return err
		},
		"remote": func(keys []client.PublicKey) error {
			_, err := b.Remote(t.Context(), client.RemoteRequest{Operation: client.RemoteVerify, Keys: keys})
			return err
		},
	} {
		err := do(keys)
		require.ErrorIs(t, err, client.ErrUnsupported, name)
		require.ErrorContains(t, err, "checks no signatures", name)
		require.Zero(t, asked["/_admin/backup/"+name], name)
		require.NoError(t, do(nil), name)
		require.Equal(t, 1, asked["/_admin/backup/"+name], name)
	}
}
