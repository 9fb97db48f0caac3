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

// One that waits is not overtaken for ever by those that come.
func TestOneThatWaitsGetsItsTurn(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var l Mutex
		var got atomic.Bool
		l.Lock()
		go func() { l.Lock(); defer l.Unlock(); got.Store(true) }()
		for range 2 {
			synctest.Wait()
			l.Unlock()
			l.Lock()
		}
		require.True(t, got.Load(), "it was overtaken twice")
		l.Unlock()
	})
}

// Those that wait to read come before the next holder, however many wait to hold.
func TestReadersComeBetweenHolders(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var l RWMutex
		var holders, before atomic.Int64
		var all sync.WaitGroup
		l.Lock()
		for range 3 {
			all.Go(func() { l.Lock(); holders.Add(1); l.Unlock() })
		}
		synctest.Wait()
		for range 3 {
			all.Go(func() { l.RLock(); defer l.RUnlock(); before.Add(holders.Load()) })
		}
		synctest.Wait()
		l.Unlock()
		all.Wait()
		require.EqualValues(t, 3, holders.Load())
		require.Zero(t, before.Load(), "holders came before readers that had waited")
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
