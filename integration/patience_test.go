package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
)

// TestWritersThatABackupHoldsUp: a backup holds its gates for longer than some clients wait. Each of them hears before its
// own deadline that nothing was written, and because of which backup; its write is never done. The others wait, and their writes
// are done. A coordinator's request to a DB server has a deadline as well.
func TestWritersThatABackupHoldsUp(t *testing.T) {
	inBubble(t, 3, func(b *bubble) {
		t, ctx := b.t, b.t.Context()
		db := b.clients[0].Database("")
		require.NoError(t, db.EnsureCollection(ctx, "c", client.Layout{Shards: 6, ReplicationFactor: 2}))
		require.NoError(t, db.Put(ctx, "c", map[string]any{"_key": "before"}))

		granted := b.hold(fault.Moment{Step: event.GateGranted}) // its server holds the gate, and the coordinator waits to hear it
		made := make(chan string, 1)
		go func() {
			r, err := b.clients[1].Backups().Create(ctx, client.CreateRequest{Label: "long", LockWait: 2 * time.Minute, Timeout: 5 * time.Minute})
			if err != nil || r.PotentiallyInconsistent {
				t.Errorf("create: inconsistent %v: %v", r.PotentiallyInconsistent, err)
			}
			made <- r.ID
		}()
		<-granted.Reached()
		closed := time.Now()
		refused := map[string]error{}
		for i := range 12 { // over all shards: some of them on the server that holds its gate
			key := fmt.Sprint("k", i)
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			begun := time.Now()
			if err := db.Put(short, "c", map[string]any{"_key": key}); err != nil {
				require.NoError(t, short.Err(), "its deadline came first")
				require.Greater(t, time.Since(begun), time.Second)
				refused[key] = err
			}
			cancel()
		}
		require.NotEmpty(t, refused, "no gate was held")
		for key, err := range refused {
			require.ErrorIs(t, err, client.ErrUnavailable, key)
			require.NotErrorIs(t, err, client.ErrUnknownOutcome, key)
			require.ErrorContains(t, err, "_long holds up writes until it has made its cut", key)
		}
		requireRefusalOnTheWire(t, b, refused)

		patient := make(chan error, 1)
		begun := time.Now()
		for key := range refused {
			go func() { patient <- db.Put(ctx, "c", map[string]any{"_key": "patient-" + key}) }()
			break
		}
		err := <-patient // its shard may be that of another server
		t.Logf("a client without a deadline waited for %v: %v", time.Since(begun), err)
		if err != nil {
			require.ErrorIs(t, err, client.ErrUnavailable)
			require.ErrorContains(t, err, "_long holds up writes")
			require.Less(t, time.Since(begun), time.Minute, "the coordinator's own deadline came first")
		}
		require.Less(t, time.Since(closed), 2*time.Minute)
		granted.End()
		id := <-made
		require.True(t, strings.HasSuffix(id, "_long"))
		for key := range refused {
			require.ErrorIs(t, db.Read(ctx, client.Ref{Collection: "c", Key: key}, nil), client.ErrNotFound, "what was refused is written")
		}
		require.NoError(t, db.Put(ctx, "c", map[string]any{"_key": "after"}))
	})
}

// requireRefusalOnTheWire sends a write as a driver does that tells its deadline in ArangoDB's header.
func requireRefusalOnTheWire(t *testing.T, b *bubble, refused map[string]error) {
	t.Helper()
	_, _, coordinators := b.Cluster().Nodes()
	for key := range refused {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, coordinators[0].URL+"/_api/document/c", strings.NewReader(`{"_key":"`+key+`"}`))
		require.NoError(t, err)
		req.Header.Set("X-Arango-Queue-Time-Seconds", "1.5")
		begun := time.Now()
		resp, err := b.HTTP().Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "%s", body)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		require.Contains(t, string(body), `"backup":"`)
		require.Contains(t, string(body), `_long"`)
		require.InDelta(t, 1.35, time.Since(begun).Seconds(), 0.1)
		return
	}
}
