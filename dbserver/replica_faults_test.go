package dbserver

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/event"
)

// A follower that the leader waits for, and that is gone before it has caught up, stops
// no write for long: it was never in sync.
func TestFollowerGoesWhileItCatchesUp(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		h.stop("db2")
		big := fmt.Sprintf(`{"v":%q}`, strings.Repeat("x", 1000))
		for i := range 300 {
			require.NoError(t, h.put(a, "s101", key(i), big))
		}
		h.net.Throttle("db1", "db2", 100_000) // the records are on their way for three seconds
		_, err := h.tryStart("db2")
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []string{a.ID()}, h.report("100", "s101").Servers, "it is not in sync yet")
		h.stop("db2")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = h.dbs.Documents(ctx, dbclient.Target{URL: a.URL()}, "s101", dbclient.DocumentsRequest{
			Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "after", Document: json.RawMessage(`{}`)}}})
		require.NoError(t, err)
	})
}

// A truncation reaches the followers like any write: none of them has to leave the
// in-sync set for it.
func TestTruncationReachesFollowers(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "k", `{}`))
		before, begun := h.report("100", "s101"), time.Now()
		require.NoError(t, h.dbs.Truncate(t.Context(), h.target(a), "s101", dbclient.TruncateRequest{}))
		require.Less(t, time.Since(begun), time.Second)
		require.NoError(t, h.put(a, "s101", "new", `{}`))
		require.Equal(t, []string{"new"}, h.keysOf(a, "s101"))
		h.alike("s101", a, b)
		require.Equal(t, before, h.report("100", "s101"))
	})
}

// A server that has been without its lease serves nothing by it before its leaders
// know what Plan was meanwhile, however long that takes them.
func TestLeaseWaitsForLeaders(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		hang, held := make(chan struct{}), make(chan struct{})
		var once sync.Once
		release := sync.OnceFunc(func() { close(hang) })
		defer release()
		h.steps = event.Sink(func(_ context.Context, e event.Event) {
			if e.ID == "s201" && e.Term == 2 {
				once.Do(func() { close(held) })
				<-hang
			}
		})
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		h.replicated("200", "s201", a)
		require.NoError(t, h.put(a, "s101", "k", `{}`))
		h.plan("200", "s201", 2, a.ID())
		<-held
		h.plan("200", "s201", 3, a.ID()) // it does not come to this while the leader of term 2 hangs
		time.Sleep(time.Second)
		h.net.Cut("db1", "db2")
		h.net.Cut("db2", "db1")
		h.net.Cut("db1", "agent")
		h.net.Cut("agent", "db1")
		h.await("its lease ends", func() bool { return a.lease.Check() != nil })
		h.plan("100", "s101", 2, b.ID(), a.ID())
		h.inSync("100", "s101", b.ID())
		_, err := h.dbs.Documents(t.Context(), h.target(b), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "k"}}})
		require.NoError(t, err)
		h.net.Heal("db1", "agent")
		h.net.Heal("agent", "db1")
		for range 300 {
			page, err := h.dbs.Scan(t.Context(), h.target(a), "s101", dbclient.ScanRequest{})
			require.Error(t, err, "it shows %s", page.Documents)
			time.Sleep(100 * time.Millisecond)
		}
		release()
		h.await("it has its lease again", func() bool { return a.lease.Check() == nil })
	})
}

// A member of the in-sync set that had lost its last records leads when all others are
// given up. One of them comes back with records that were committed there and are not
// here, and is copied.
func TestCommittedBeyondTheSuccessor(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		time.Sleep(time.Second)
		for i := range 30 {
			require.NoError(t, h.put(a, "s101", key(i), `{}`))
		}
		h.net.Cut("db1", "db2")
		h.net.Cut("db2", "db1")
		h.crash("db2")
		b, err := h.tryStart("db2")
		require.NoError(t, err)
		h.stop("db1")
		h.await("it is given up", func() bool { return h.read(keys.ServerHealth(a.ID())+"/Status").Text() == keys.StatusFailed })
		h.plan("100", "s101", 2, b.ID(), a.ID())
		h.await("it leads", func() bool { return h.report("100", "s101").Term == 2 && b.serves() })
		for i := range 60 {
			require.NoError(t, h.put(b, "s101", fmt.Sprint("new", i), `{}`))
		}
		h.net.HealAll()
		a, err = h.tryStart("db1")
		require.NoError(t, err)
		h.inSync("100", "s101", b.ID(), a.ID())
		h.alike("s101", a, b)
	})
}
