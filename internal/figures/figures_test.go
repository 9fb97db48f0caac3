package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiguresOfASmallHouse(t *testing.T) {
	var b strings.Builder
	require.NoError(t, run(&b, "testdata/house", []string{"./..."}))
	for _, line := range []string{
		"packages 1, files 2, lines of code 18, comment lines a code line 0.17",
		"functions 5, lines: median 1, p90 4, longest 4 (room.wide)",
		"functions with more than 5 parameters: 1\n     6 room.wide",
		"arrows upward between the files of a folder: 1\n     1 of   2 room",
		"test functions 1, fuzz targets 0, examples 1, sleeps in tests (virtual time included) 1,",
	} {
		require.Contains(t, b.String(), line)
	}
}

func TestEmbeddingHidesNothing(t *testing.T) {
	all, err := load("testdata/house", []string{"./..."})
	require.NoError(t, err)
	require.ElementsMatch(t, []typeFigure{
		{"room.base", 3, 2}, {"room.down", 1, 1}, {"room.top", 4, 3},
	}, typesOf(all[0]))
}

// A package that does not build has no figures: they would be those of something else.
func TestBrokenPackageIsAnError(t *testing.T) {
	_, err := load("testdata/house", []string{"./nothing"})
	require.Error(t, err)
}

func TestOrderFindsTheLayers(t *testing.T) {
	layers := graph{"a": {"b": true, "c": true}, "b": {"c": true, "d": true}, "c": {"d": true}, "d": {}}
	require.Equal(t, []string{"a", "b", "c", "d"}, order(layers))
}
