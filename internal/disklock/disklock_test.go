package disklock

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// Virtual time goes on while goroutines wait for a lock whose holder waits for a disk.
func TestTimeGoesOnWhileALockIsHeld(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var one Mutex
		var many RWMutex
		one.Lock()
		many.Lock()
		var waits sync.WaitGroup
		for range 3 {
			waits.Go(func() { one.Lock(); defer one.Unlock() })
			waits.Go(func() { many.Lock(); defer many.Unlock() })
			waits.Go(func() { many.RLock(); defer many.RUnlock() })
		}
		time.Sleep(time.Hour)
		one.Unlock()
		many.Unlock()
		waits.Wait()
	})
}

// Readers share, a holder is alone, and no reader overtakes a holder that waits.
func TestReadersShareAndAHolderIsAlone(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var l RWMutex
		l.RLock()
		l.RLock()
		var held, read atomic.Bool
		go func() {
			l.Lock()
			held.Store(true)
			time.Sleep(time.Second)
			held.Store(false)
			l.Unlock()
		}()
		synctest.Wait()
		go func() {
			l.RLock()
			defer l.RUnlock()
			read.Store(!held.Load())
		}()
		synctest.Wait()
		require.False(t, held.Load(), "it is held while it is read")
		l.RUnlock()
		synctest.Wait()
		require.False(t, held.Load(), "it is held while it is read")
		l.RUnlock()
		synctest.Wait()
		require.True(t, held.Load())
		require.False(t, read.Load(), "it is read while it is held")
		time.Sleep(time.Second)
		synctest.Wait()
		require.True(t, read.Load())
	})
}

// Under load no two are inside that must not be.
func TestNoTwoAreInside(t *testing.T) {
	var one Mutex
	var many RWMutex
	var n, m int
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				one.Lock()
				n++
				one.Unlock()
				many.Lock()
				m++
				many.Unlock()
				many.RLock()
				_ = m
				many.RUnlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, 8000, n)
	require.Equal(t, 8000, m)
	require.Panics(t, one.Unlock)
	require.Panics(t, many.Unlock)
	require.Panics(t, many.RUnlock)
}
