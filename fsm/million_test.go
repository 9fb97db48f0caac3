//go:build !race

package fsm

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A million keys take little more than their own bytes, before and after writes.
func TestAMillionKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("half a gigabyte")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := New(0)
	for room := range 10 {
		var raw bytes.Buffer
		fmt.Fprintf(&raw, `[{"/room%d":{`, room)
		for i := range 100_000 {
			fmt.Fprintf(&raw, `"key%07d":"value%d",`, i, i)
		}
		raw.WriteString(`"last":0}}]`)
		write(t, m, raw.String())
	}
	for i := range 1000 {
		write(t, m, fmt.Sprintf(`[{"/room%d/key%07d":%d}]`, i%10, i*97, i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perKey := (after.HeapAlloc - before.HeapAlloc) / 1_000_000
	t.Logf("%d bytes a key", perKey)
	require.Less(t, perKey, uint64(400))
	require.Equal(t, 100_001, m.State().Root().At("/room3").Len())
}
