package minicluster

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// A node that is killed waits for nothing any more, also not for a message that a fault has lost.
func TestKillEndsWhatMessagesWaitFor(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		n := fault.NewNetwork()
		s, err := network.NewServer(n.Host("server"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
		}), network.ServerOptions{Address: "server:1"})
		require.NoError(t, err)
		kills := newKillSwitch(n.Host("node"))
		web := network.NewHTTPClient(kills)
		get := func() error {
			resp, err := web.Get(s.URL())
			if err != nil {
				return err
			}
			_, err = io.ReadAll(resp.Body)
			return errors.Join(err, resp.Body.Close())
		}
		require.NoError(t, get())

		lost := n.Message(fault.Message{From: "node", Do: fault.LoseRequest})
		failed := make(chan error, 2)
		go func() { failed <- get() }()
		go func() {
			failed <- kills.Call(context.Background(), "server:1", "raft/AppendEntries", true, func(bool) error { return nil })
		}()
		time.Sleep(time.Minute)
		require.Equal(t, 2, lost.Met())
		require.Empty(t, failed)
		kills.trip()
		for range 2 {
			require.ErrorIs(t, <-failed, context.Canceled)
		}
		require.ErrorIs(t, get(), net.ErrClosed)
		require.ErrorIs(t, kills.Call(t.Context(), "server:1", "raft/AppendEntries", true, func(bool) error { return nil }), net.ErrClosed)
		web.CloseIdleConnections()
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, n.Close())
	})
}

// On a network without faults of messages the switch changes no request.
func TestKillSwitchOverTCP(t *testing.T) {
	kills := newKillSwitch(network.TCP())
	transport := &http.Transport{}
	require.Same(t, transport, kills.RoundTripper(transport))
	called := false
	require.NoError(t, kills.Call(t.Context(), "server:1", "raft/AppendEntries", true, func(bool) error {
		called = true
		return nil
	}))
	require.True(t, called)
	kills.trip()
}
