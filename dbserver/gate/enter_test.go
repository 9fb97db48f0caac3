package gate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A write whose client goes away in the moment in which it is let in is not inside: no backup waits for it.
func TestClientThatGoesAwayWhenItIsLetInIsNotInside(t *testing.T) {
	g := New(nil)
	_, err := g.Lock(Claim{Nonce: "n", Attempt: 1, Window: time.Minute, Lease: time.Minute})
	require.NoError(t, err)
	w := &waiter{behind: g.turn, since: time.Now(), evidence: g.evidence.of("n"), admitted: make(chan struct{})}
	g.queue = append(g.queue, w) // as queueUp does
	g.Release("n", 1)
	<-w.admitted
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = g.giveUpQueue(gone, w)
	require.ErrorIs(t, err, context.Canceled)
	l, err := g.Lock(Claim{Nonce: "m", Attempt: 1, Window: time.Minute, Lease: time.Minute})
	require.NoError(t, err)
	select {
	case <-l.Granted():
	default:
		t.Fatal("the gate waits for a write that is not there")
	}
	g.Release("m", 1)
}
