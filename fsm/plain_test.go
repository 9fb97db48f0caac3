package fsm

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A byte that is no JSON in a string is found wherever it lies in a long one.
func TestBytesInLongTexts(t *testing.T) {
	for c := range 256 {
		for _, before := range []int{0, 1, longText - 1, longText, searched - 1, searched, 2*searched + 1} {
			s := `["` + strings.Repeat("x", before) + string([]byte{byte(c)}) + strings.Repeat("x", longText) + `","y"]`
			require.Equal(t, json.Valid([]byte(s)), valid([]byte(s)), "%d after %d", c, before)
			content := s[2 : len(s)-6]
			require.EqualValues(t, len(appendText(nil, content)), quoted(content))
		}
	}
}

// Texts with long strings are valid, have a length and are written as texts with short ones are.
func TestLongTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		bit := rapid.SampledFrom([]string{
			`"`, `"`, `"`, `\`, `\"`, `\u00`, `\u0041`, "\n", "\x00", "\x1f", "\x7f", "é", "\xff", `{`, `}`, `[`, `]`, `,`, `:`, `1`, ` `,
			strings.Repeat("x", longText-1), strings.Repeat("x", longText), strings.Repeat("y", searched+3), `"` + strings.Repeat("z", 2*longText) + `"`,
		})
		if rapid.Bool().Draw(t, "quoted") {
			text.WriteByte('"')
		}
		for range rapid.IntRange(0, 8).Draw(t, "bits") {
			text.WriteString(bit.Draw(t, "bit"))
		}
		if rapid.Bool().Draw(t, "closed") {
			text.WriteByte('"')
		}
		s := text.String()
		require.Equal(t, json.Valid([]byte(s)), valid([]byte(s)), "%q", s)

		written := appendText(nil, s)
		require.EqualValues(t, len(written), quoted(s), "%q", s)
		require.True(t, json.Valid(written), "%q", written)
		var back string
		require.NoError(t, json.Unmarshal(written, &back))
		require.Equal(t, strings.ToValidUTF8(s, "\uFFFD"), strings.ToValidUTF8(back, "\uFFFD"))
	})
}
