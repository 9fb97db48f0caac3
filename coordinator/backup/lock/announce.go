package lock

import (
	"context"
	"fmt"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/wait"
)

// AnnouncedFor is the time to live of an announcement in the agency. A waiting coordinator
// renews it three times as often; the announcement of one that has died expires.
const AnnouncedFor = 6 * time.Second

// waitingKey is the key at which the operation announces that it waits.
func (l *Lock) waitingKey() string { return keys.HotBackupWaiting + "/" + l.op.Nonce }

// announcing tells the supervision, while the operation waits, to begin no job that would stay
// pending. Otherwise a cluster whose shards are moved all the time could never be backed up. stop
// ends the renewals. The last announcement stays while the operation tries to acquire the lock;
// the transaction that acquires the lock deletes it.
func (l *Lock) announcing(ctx context.Context) (stop func()) {
	if !l.announced {
		l.announced = true
		l.op.Undo.Push("announcement", l.withdraw)
	}
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for ctx.Err() == nil {
			l.announce(ctx)
			_ = wait.For(ctx, AnnouncedFor/3) // the loop looks at ctx
		}
	})
	return func() { cancel(); renewing.Wait() }
}

// announce writes the announcement once. A failure is not an error: the operation may only wait
// longer.
func (l *Lock) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, AnnouncedFor/3)
	defer cancel()
	_, err := l.locker.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{l.waitingKey(): agencyclient.SetFor(l.holder(l.op.Began), AnnouncedFor)},
	})
	if err != nil && ctx.Err() == nil {
		l.op.Log.Debug("cannot announce that a backup waits for the agency lock", "error", err)
	}
}

// withdraw removes the announcement before its time to live is over.
func (l *Lock) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.locker.Call)
	defer cancel()
	_, err := l.locker.Agency.Write(ctx, agencyclient.Tx{Ops: map[string]any{l.waitingKey(): agencyclient.Delete()}})
	if err != nil {
		return fmt.Errorf("withdraw the announcement: %w", err)
	}
	return nil
}
