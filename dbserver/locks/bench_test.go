package locks

import (
	"testing"
	"time"

	"stasis/internal/disklock"
)

// striped is what the table replaced: 256 mutexes of a shard, in which keys that are different may share one. It is
// the measure of what a lock may cost that none waits for.
type striped struct {
	seed uint64
	mu   [256]disklock.Mutex
}

func (l *striped) of(key string) *disklock.Mutex {
	sum := l.seed
	for i := range len(key) {
		sum = (sum ^ uint64(key[i])) * 0x100000001b3
	}
	return &l.mu[(sum^sum>>32)%uint64(len(l.mu))]
}

// once locks a key, and unlocks it.
func (l *striped) once(key string) {
	m := l.of(key)
	m.Lock()
	defer m.Unlock()
}

func benchKeys() (keys [1024]string) {
	for i := range keys {
		keys[i] = name(1_000_000 + i)
	}
	return keys
}

func BenchmarkKey(b *testing.B) {
	keys := benchKeys()
	b.Run("striped", func(b *testing.B) {
		var l striped
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			l.once(keys[n%len(keys)])
		}
	})
	b.Run("table", func(b *testing.B) {
		table := NewTable(0)
		s, ctx := table.Shard("s1"), b.Context()
		o := &Owner{}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if err := s.Key(ctx, o, keys[n%len(keys)], time.Second); err != nil {
				b.Fatal(err)
			}
			table.Release(o)
		}
	})
}

// BenchmarkKeyParallel has as many writers as processors, each with keys of its own.
func BenchmarkKeyParallel(b *testing.B) {
	keys := benchKeys()
	b.Run("striped", func(b *testing.B) {
		var l striped
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				l.once(keys[n%len(keys)])
			}
		})
	})
	b.Run("table", func(b *testing.B) {
		table := NewTable(0)
		s, ctx := table.Shard("s1"), b.Context()
		b.RunParallel(func(pb *testing.PB) {
			o := &Owner{Patient: true}
			for n := 0; pb.Next(); n++ {
				if err := s.Key(ctx, o, keys[n%len(keys)], time.Minute); err != nil {
					b.Error(err)
				}
				table.Release(o)
			}
		})
	})
}
