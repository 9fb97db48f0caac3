package shard

import (
	"bytes"
	"fmt"
	"testing"
)

// What it costs a follower to look at a document before it stores it.
func BenchmarkCheckStored(b *testing.B) {
	for _, size := range []int{100, 1000, 100_000} {
		d := fmt.Appendf(make([]byte, 8), `{"_key":"k","_id":"c/k","v":%q}`, bytes.Repeat([]byte("x"), size))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(d)))
			for b.Loop() {
				if _, err := checkStored("k", d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
