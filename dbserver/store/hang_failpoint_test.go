//go:build failpoints

package store

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/engine"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
	"stasis/internal/bubbles"
	"stasis/internal/failpoint"
)

// While a commit to one shard waits for the disk, what asks that shard waits, and all else goes on:
// other shards are found, made and dropped.
func TestAShardThatWaitsHoldsUpNoOther(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e, err := engine.Open("held", engine.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
		require.NoError(t, err)
		s, err := Open(e, &shard.Clock{}, replica.Home{})
		require.NoError(t, err)
		require.NoError(t, s.Create("s1"))
		reached, goOn := make(chan struct{}), make(chan struct{})
		first := make(chan struct{}, 1)
		first <- struct{}{}
		defer failpoint.Set("engine/apply", "held", func(context.Context, string) error {
			select {
			case <-first:
				close(reached)
				<-goOn
			default:
			}
			return nil
		})()
		held, err := s.Replica("s1")
		require.NoError(t, err)
		ended := make(chan struct{}, 2)
		go func() {
			_, err := held.Shard.Promise(shard.Tenure{Term: 1, Reboot: 1})
			require.NoError(t, err)
			ended <- struct{}{}
		}()
		<-reached
		go func() {
			require.False(t, s.Broken())
			ended <- struct{}{}
		}()
		synctest.Wait()

		begun := time.Now()
		require.NoError(t, s.Create("s2"))
		require.Equal(t, []string{"s1", "s2"}, s.Names())
		require.Len(t, s.AtCut().Logs, 2)
		require.NoError(t, s.Drop("s2"))
		require.Zero(t, time.Since(begun))
		require.Empty(t, ended)
		time.Sleep(time.Minute)
		close(goOn)
		<-ended
		<-ended
		require.NoError(t, s.Close(context.Canceled))
	})
}
