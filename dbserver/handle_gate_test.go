package dbserver

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/network"
)

var lockB = dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 60}

// bystander writes a document from a host that no fault concerns, and says how long that took.
func (h *house) bystander(s *Server, key string) time.Duration {
	h.t.Helper()
	web := network.NewHTTPClient(h.net.Host("bystander"))
	defer web.CloseIdleConnections()
	begun := time.Now()
	r, err := dbclient.New(web).Documents(h.t.Context(), dbclient.Target{URL: s.URL()}, "s101", dbclient.DocumentsRequest{
		Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: key, Document: json.RawMessage(`{}`)}}})
	require.NoError(h.t, err)
	require.Nil(h.t, r.Results[0].Error)
	return time.Since(begun)
}

// A coordinator that stops, or whose link is cut in either direction, keeps no gate for
// longer than the silence that the server, or itself, allows. Beats that were held back
// and arrive in a burst give it the gate no more.
func TestGateOpensWithoutBeats(t *testing.T) {
	for name, cut := range map[string]func(*fault.Network){
		"stopped":                     func(n *fault.Network) { n.Freeze("coordinator") },
		"the server does not hear it": func(n *fault.Network) { n.Cut("coordinator", "db1") },
		"it does not hear the server": func(n *fault.Network) { n.Cut("db1", "coordinator") },
		"neither hears the other":     func(n *fault.Network) { n.Isolate("coordinator") },
		"connections of it are reset": func(n *fault.Network) { n.Reset("coordinator", "db1") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				h.collection("100", "s101", s)
				h.lock("b", "n")
				letGo, err := h.hold(t.Context(), h.target(s), lockB)
				require.NoError(t, err)
				time.Sleep(2 * time.Second)
				require.NoError(t, s.gate.Check("n", 1), "beats keep it")
				cut(h.net)
				require.LessOrEqual(t, h.bystander(s, "a"), 600*time.Millisecond)
				require.ErrorIs(t, s.gate.Check("n", 1), apierror.GateLost)
				time.Sleep(time.Second)
				h.net.HealAll()
				h.net.Thaw("coordinator")
				time.Sleep(time.Second)
				require.ErrorIs(t, s.gate.Check("n", 1), apierror.GateLost, "late beats")
				require.Error(t, letGo())
				report, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
				require.NoError(t, err)
				require.False(t, report.Unbroken)
				t.Log(report.Reason)
			})
		})
	}
}

// The end of the request opens the gate at once, from either side, and the evidence stays.
func TestGateOpensWithItsRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		letGo, err := h.hold(t.Context(), h.target(s), lockB)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Error(t, letGo())
		require.Less(t, h.bystander(s, "a"), 10*time.Millisecond)
		report, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.False(t, report.Unbroken)
		require.InDelta(t, 1, report.HeldSeconds, 0.01)
	})
}

// A server that answers no beat is given up by the coordinator within the silence.
func TestSilentServerIsNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		to := h.target(s)
		h.lock("b", "n")
		for _, held := range []bool{true, false} {
			leave, err := s.gate.Enter(t.Context())
			require.NoError(t, err)
			if held {
				leave()
			}
			begun := time.Now()
			ended := make(chan error, 1)
			h.holds.Go(func() {
				r := dbclient.GateLockRequest{ID: "b", Nonce: "n", Attempt: h.attempts["n"] + 1, WindowSeconds: 60, LeaseSeconds: 60}
				h.attempts = map[string]uint64{"n": r.Attempt}
				ended <- h.dbs.GateLock(t.Context(), to, r, func(dbclient.GateLockResponse) {})
			})
			time.Sleep(5*time.Second + 10*time.Millisecond)
			require.Empty(t, ended, "it is heard while it waits, and while it holds")
			h.net.Freeze("db1")
			err = <-ended
			require.ErrorIs(t, err, dbclient.ErrSilent)
			require.ErrorIs(t, err, apierror.ConnectionLost)
			require.LessOrEqual(t, time.Since(begun), 5*time.Second+dbclient.GateSilence+10*time.Millisecond)
			h.net.Thaw("db1")
			leave()
			time.Sleep(time.Second)
			require.Less(t, func() time.Duration { b := time.Now(); l, _ := s.gate.Enter(t.Context()); l(); return time.Since(b) }(), time.Millisecond)
		}
	})
}

// A lock of another epoch, or one that makes no sense, is refused before it is in the line.
func TestBadLocksAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		other := h.target(s)
		other.Epoch++
		_, err := h.hold(t.Context(), other, lockB)
		require.ErrorIs(t, err, apierror.WrongEpoch)
		for _, bad := range []dbclient.GateLockRequest{
			{Nonce: "n", WindowSeconds: 0, LeaseSeconds: 1}, {Nonce: "n", WindowSeconds: 1, LeaseSeconds: 1e9}, {WindowSeconds: 1, LeaseSeconds: 1},
		} {
			_, err := h.hold(t.Context(), h.target(s), bad)
			require.ErrorIs(t, err, apierror.BadParameter)
		}
		for body, want := range map[string]int{"": 400, "{}": 400, "nonsense\n": 400, strings.Repeat("x", 1<<16): 400} {
			req, err := http.NewRequest(http.MethodPost, s.URL()+dbclient.PathGateLock, strings.NewReader(body))
			require.NoError(t, err)
			resp, err := h.web.Do(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, resp.StatusCode, body[:min(len(body), 10)])
			require.True(t, resp.Close, "another request follows on the connection")
		}
		synctest.Wait()
		require.Less(t, func() time.Duration { b := time.Now(); l, _ := s.gate.Enter(t.Context()); l(); return time.Since(b) }(), time.Millisecond)
	})
}
