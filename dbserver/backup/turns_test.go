package backup

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A disk that hangs in one step of a piece holds up the steps behind it only until their
// contexts end. When the disk is back, the piece is finished as if they had never come.
func TestStepWaitsNoLongerThanItsContext(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		back, hung := make(chan struct{}), atomic.Bool{}
		s := newServer(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, piece.FileDump) {
				hung.Store(true)
				<-back
			}
			return nil
		})))
		s.put(0, 20)
		require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n"))
		_, err := s.store.Attempts.Cut(t.Context(), s.e, testID, "n")
		require.NoError(t, err)
		linked := make(chan error, 1)
		go func() {
			_, err := s.store.Attempts.Link(t.Context(), linkRequest(testID, "n"))
			linked <- err
		}()
		synctest.Wait()
		require.True(t, hung.Load(), "the disk does not hang")
		for name, step := range map[string]func(ctx context.Context) error{
			"prepare": func(ctx context.Context) error { return s.store.Attempts.Prepare(ctx, s.e, testID, "n") },
			"link": func(ctx context.Context) error {
				_, err := s.store.Attempts.Link(ctx, linkRequest(testID, "n"))
				return err
			},
			"seal": func(ctx context.Context) error {
				return s.store.Attempts.Seal(ctx, dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage(testCert)})
			},
			"publish": func(ctx context.Context) error { return s.store.Attempts.Publish(ctx, testID, "n") },
			"drop":    func(ctx context.Context) error { return s.store.Attempts.Drop(ctx, testID, "another") },
			"discard": func(ctx context.Context) error { return s.store.Incoming.Discard(ctx, testID) },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, step(ctx), context.DeadlineExceeded, name)
			cancel()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.store.Attempts.Cut(ctx, s.e, testID, "n")
		require.ErrorIs(t, err, apierror.CutMissed)
		close(back)
		require.NoError(t, <-linked)
		require.NoError(t, s.store.Attempts.Seal(t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage(testCert)}))
		require.NoError(t, s.store.Attempts.Publish(t.Context(), testID, "n"))
		require.Empty(t, s.store.Attempts.turns.pieces)
		requireIntact(t, s.store, testID)
	})
}

// A disk that hangs while what is staged gets its name holds up Unstage only until its
// context ends.
func TestUnstageWaitsNoLongerThanItsContext(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		back, hung := make(chan struct{}), atomic.Bool{}
		s := newServer(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpRename && strings.HasSuffix(op.Path, stagedName(2)+piece.SuffixTemp) && !hung.Swap(true) {
				<-back
			}
			return nil
		})))
		s.publish(testID, "n")
		staged := make(chan error, 1)
		go func() { staged <- s.store.Restores.Stage(t.Context(), stageRequest(2)) }()
		synctest.Wait()
		require.True(t, hung.Load(), "the disk does not hang")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.store.Restores.Unstage(ctx, dbclient.UnstageRequest{Epoch: 2, Nonce: "restore"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(back)
		require.NoError(t, <-staged)
	})
}

// What need not wait is done whatever its context says: a request whose client has gone still
// undoes what it has to undo.
func TestFreeTurnIsTaken(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		require.NoError(t, s.store.Restores.Unstage(ctx, dbclient.UnstageRequest{Epoch: 2, Nonce: "n"}))
		require.NoError(t, s.store.Attempts.Drop(ctx, testID, "n"))
	}
}
