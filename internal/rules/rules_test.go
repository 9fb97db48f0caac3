package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSleepsOutsideBubblesAreFound(t *testing.T) {
	var b strings.Builder
	require.ErrorIs(t, run(&b, "testdata/house", []string{"./..."}), errBroken)
	lines := linesWith(b.String(), "sleeps")
	require.Len(t, lines, 3, b.String())
	for i, at := range []string{":21: ", ":27: ", ":43: "} {
		require.Contains(t, lines[i], "testdata/house/room/room_test.go"+at+"TestReal sleeps on the real clock")
	}
}

func TestWhatDoesNotBuildIsNotChecked(t *testing.T) {
	_, err := load("testdata/house", []string{"./nothing"})
	require.Error(t, err)
}

func TestIdleExportsAreFound(t *testing.T) {
	var b strings.Builder
	require.ErrorIs(t, run(&b, "testdata/house", []string{"./..."}), errBroken)
	lines := linesWith(b.String(), "exported")
	require.Len(t, lines, 4, b.String())
	for i, says := range []string{":15: Most is", ":23: Idle is", ":30: Store.Put is", ":41: Shut is"} {
		require.Contains(t, lines[i], "testdata/house/store/store.go"+says+" exported, and no other package uses it")
	}
}

func linesWith(text, word string) (found []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func TestWallClockReadsAreFound(t *testing.T) {
	var b strings.Builder
	require.ErrorIs(t, run(&b, "testdata/house", []string{"./..."}), errBroken)
	lines := linesWith(b.String(), "wall clock")
	require.Len(t, lines, 1, b.String())
	require.Contains(t, lines[0], "testdata/house/room/room.go:8: time.Now().UnixMilli reads the system's wall clock")
}
