//go:build failpoints

package dbserver

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// cutOff takes the agency from a server and waits until its lease has ended.
func (h *house) cutOff(name string) {
	h.t.Helper()
	h.net.Cut(name, "agent")
	h.net.Cut("agent", name)
	h.await("its lease ends", func() bool { return h.up[name].lease.Check() != nil })
}

// Operations on documents stand still, between what they have seen and their answer,
// until the lease is over: another leader may have changed everything meanwhile. What
// tells of what is stored is not told.
func TestDocumentsAnsweredAfterTheLease(t *testing.T) {
	for name, ops := range map[string][]dbclient.Op{
		"read":    {{Kind: dbclient.OpRead, Key: "k"}},
		"refusal": {{Kind: dbclient.OpInsert, Key: "k", Document: json.RawMessage(`{}`)}},
		"chunk":   {{Kind: dbclient.OpInsert, Key: "new", Document: json.RawMessage(`{}`)}, {Kind: dbclient.OpRead, Key: "k"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				h.collection("100", "s101", s)
				h.insert(s, "s101", "k", `{}`)
				to := h.target(s)
				reached := false
				defer failpoint.Set("dbserver/documents/answer", s.ID(), func(context.Context, string) error {
					reached = true
					h.cutOff("db1")
					return nil
				})()
				r, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{Ops: ops})
				require.True(t, reached, "the operations are not done")
				require.Error(t, err, "it shows %+v without the lease", r.Results)
				if want := apierror.NoLeader; name == "read" {
					require.ErrorIs(t, err, want)
				} else { // a write was among them
					require.ErrorIs(t, err, apierror.ConnectionLost)
				}
			})
		})
	}
}

// The same for what a transaction reads.
func TestTransactionsReadWithTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		home, _ := h.twoShards()
		x := h.begin()
		_, err := x.get(home, "a")
		require.NoError(t, err)
		reached := false
		defer failpoint.Set("dbserver/transaction/answer", home.at().ID(), func(context.Context, string) error {
			reached = true
			h.cutOff("db1")
			return nil
		})()
		_, err = x.get(home, "a")
		require.True(t, reached, "nothing is read")
		require.ErrorIs(t, err, apierror.NoLeader, "it shows what is stored without the lease")
	})
}

// The same for what reads a whole shard.
func TestLookingEndsWithTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.insert(s, "s101", "k", `{}`)
		to := h.target(s)
		reached := false
		defer failpoint.Set("dbserver/leading/answer", s.ID(), func(context.Context, string) error {
			reached = true
			h.cutOff("db1")
			return nil
		})()
		page, err := h.dbs.Scan(t.Context(), to, "s101", dbclient.ScanRequest{})
		require.True(t, reached, "the shard is not read")
		require.ErrorIs(t, err, apierror.NoLeader, "it shows what was stored without the lease")
		require.Empty(t, page.Documents)
	})
}

// The agency's answers to heartbeats are seen late: the process stood still when they
// came. The supervision counts from when it had the heartbeat, so the lease does from
// when that was sent.
func TestLeaseCountsFromTheSending(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		var grace float64
		h.eventually(keys.SupervisionGrace, (*agencyclient.Node).Exists)
		require.NoError(t, h.read(keys.SupervisionGrace).Decode(&grace))
		lasts := time.Duration(0.7 * grace * float64(time.Second))
		const pause = 2 * time.Second
		var mu sync.Mutex
		var answered time.Time
		defer failpoint.Set("dbserver/lease/answered", s.ID(), func(context.Context, string) error {
			mu.Lock()
			answered = time.Now()
			mu.Unlock()
			time.Sleep(pause)
			return nil
		})()
		time.Sleep(3 * pause)
		h.net.Cut("db1", "agent")
		h.net.Cut("agent", "db1")
		time.Sleep(pause) // the last answer is taken now, if there is one
		mu.Lock()
		require.False(t, answered.IsZero(), "no heartbeat was answered late")
		time.Sleep(time.Until(answered.Add(lasts)))
		mu.Unlock()
		require.ErrorIs(t, s.lease.Check(), apierror.NoLeader, "the lease lasts longer than %v after its heartbeat", lasts)
	})
}

// A server has its heartbeats answered again, and what it knows of Plan is from before
// its lease ended: another leader may have been named. If it served before it knew, it
// would show what that leader has changed.
func TestLeaseWaitsForTheWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b := h.start("db1"), h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "k", `{}`))
		h.net.Cut("db1", "db2")
		h.net.Cut("db2", "db1")
		h.cutOff("db1")
		h.plan("100", "s101", 2, b.ID(), a.ID())
		h.inSync("100", "s101", b.ID())
		_, err := h.dbs.Documents(t.Context(), h.target(b), "s101", dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "k"}}})
		require.NoError(t, err)
		goOn := stopsWatching()
		defer goOn()
		h.net.Heal("db1", "agent")
		h.net.Heal("agent", "db1")
		leases := func() int64 { n, _ := h.read(keys.ServerKnown(a.ID()) + "/leases").Int(); return n }
		had := leases()
		h.await("it wants its lease again", func() bool { return leases() > had })
		for range 100 {
			page, err := h.dbs.Scan(t.Context(), h.target(a), "s101", dbclient.ScanRequest{})
			require.Error(t, err, "it leads by an old Plan, and shows %s", page.Documents)
			time.Sleep(100 * time.Millisecond)
		}
		goOn()
		h.await("it has its lease again", func() bool { return a.lease.Check() == nil })
		_, err = h.dbs.Scan(t.Context(), h.target(a), "s101", dbclient.ScanRequest{})
		require.ErrorIs(t, err, apierror.NotLeader)
	})
}
