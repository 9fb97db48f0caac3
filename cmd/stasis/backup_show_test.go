package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A line is not longer than a terminal, and what is no terminal has a width of its own.
func TestWidthOfWhatIsNoTerminal(t *testing.T) {
	var out discard
	require.Equal(t, defaultWidth, widthOf(out))
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// The drawing follows the locale: the first variable that is set counts.
func TestDrawingFollowsTheLocale(t *testing.T) {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		t.Setenv(name, "")
	}
	require.False(t, unicodeTerminal())
	t.Setenv("LANG", "de_DE.UTF-8")
	require.True(t, unicodeTerminal())
	t.Setenv("LC_ALL", "C")
	require.False(t, unicodeTerminal())
}
