package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSleepsOutsideBubblesAreFound(t *testing.T) {
	var b strings.Builder
	require.ErrorIs(t, run(&b, "testdata/house", []string{"./..."}), errBroken)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 3, b.String())
	for i, at := range []string{":21: ", ":27: ", ":43: "} {
		require.Contains(t, lines[i], "testdata/house/room/room_test.go"+at+"TestReal sleeps on the real clock")
	}
}

func TestWhatDoesNotBuildIsNotChecked(t *testing.T) {
	_, err := load("testdata/house", []string{"./nothing"})
	require.Error(t, err)
}
