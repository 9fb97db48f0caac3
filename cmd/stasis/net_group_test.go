package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A link is throttled to a plain number of bytes, or to an amount as scenarios have it.
func TestThrottleTakesAmounts(t *testing.T) {
	for text, want := range map[string]int64{"10000": 10000, "64KiB": 64 << 10, "1MB": 1_000_000, "0": 0} {
		o, _, err := throttleOrder([]string{text})
		require.NoError(t, err, text)
		require.Equal(t, want, o.Rate, text)
	}
	for _, text := range []string{"", "-1", "64 KiB", "KiB", "1GiBs", "9999999999999KiB"} {
		_, _, err := throttleOrder([]string{text})
		require.ErrorContains(t, err, "such as 10000 or 64KiB", text)
	}
}
