package keys

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOrigin: what origins are to each other, and that their text brings them back.
func TestOrigin(t *testing.T) {
	one := Origin{Agency: "u", Incarnation: 1}
	two := Origin{Agency: "u", Incarnation: 2, Founding: "f"}
	twin := Origin{Agency: "u", Incarnation: 2, Founding: "g"}
	other := Origin{Agency: "v", Incarnation: 7, Founding: "f"}
	for _, c := range []struct {
		mine, theirs Origin
		want         Kinship
	}{
		{one, one, Same}, {two, two, Same}, {one, two, Newer}, {two, one, Older}, {two, twin, Foreign}, {one, other, Foreign}, {other, one, Foreign},
	} {
		require.Equal(t, c.want, c.mine.Sees(c.theirs), "%s, %s", c.mine, c.theirs)
	}
	for _, o := range []Origin{{}, one, two, LegacyOrigin} {
		back, err := ParseOrigin(o.Text())
		require.NoError(t, err)
		require.Equal(t, o, back)
		require.Equal(t, o != Origin{}, back.Exists())
	}
	for _, text := range []string{"u", "u/1", "u/0/", "u/x/", "/1/", "u/1/a/b"} {
		_, err := ParseOrigin(text)
		require.Error(t, err, text)
	}
}
