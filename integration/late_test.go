//go:build failpoints

package integration

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/failpoint"
)

// A leader stands still between its followers' answers and its own to the client. The
// acknowledgement comes when it wakes, long after its successor has begun. It is right:
// the record was with all in-sync members, so the successor has it.
func TestLateAcknowledgementIsRight(t *testing.T) {
	inBubble(t, 11, func(b *bubble) {
		b.create1("c", 3, 2)
		ctx := b.t.Context()
		old := b.leading(b.t)
		answered, wake := make(chan struct{}, 16), make(chan struct{})
		write := make(chan error, 1)
		defer failpoint.Set("dbserver/replica/accepted", old.id, func(ctx context.Context, _ string) error {
			answered <- struct{}{}
			select {
			case <-wake:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})()
		go func() { write <- old.write(ctx, "late", `{"value":"late"}`) }()
		<-answered
		<-answered // both followers have the record
		b.net.Freeze(b.names[old.id])
		p := old.ask(ctx)
		b.await(time.Minute, func() error { return old.succeeded(ctx) })
		now := b.leading(b.t)
		got, err := now.read(ctx, "late")
		require.NoError(b.t, err, "the successor has it before it is acknowledged")
		require.Contains(b.t, got, `"late"`)
		select {
		case err := <-write:
			require.Fail(b.t, "answered while it stood still", "%v", err)
		default:
		}
		close(wake) // it finds the answers before it finds out that it was replaced
		synctest.Wait()
		b.net.Thaw(b.names[old.id])
		require.NoError(b.t, <-write, "acknowledged late")
		require.Error(b.t, <-p.write)
		require.Error(b.t, <-p.read)
		b.heal()
		got, err = b.leading(b.t).read(ctx, "late")
		require.NoError(b.t, err)
		require.Contains(b.t, got, `"late"`)
	})
}
