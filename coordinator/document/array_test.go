package document

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
)

// The items are those that encoding/json finds, as they stand there.
func TestItems(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[string] { return rapid.OneOf(scalar(), nested(scalar())) })
	space := rapid.StringOfN(rapid.RuneFrom([]rune(" \t\r\n")), 0, 2, -1)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString("[" + space.Draw(t, "space"))
		for i, v := range rapid.SliceOfN(value, 0, 5).Draw(t, "values") {
			if i > 0 {
				text.WriteString("," + space.Draw(t, "space"))
			}
			text.WriteString(v + space.Draw(t, "space"))
		}
		text.WriteString("]")
		var wanted []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text.String()), &wanted))
		got := slices.Collect(Items(json.RawMessage(text.String())))
		require.Len(t, got, len(wanted), text.String())
		require.Equal(t, len(wanted), CountItems(json.RawMessage(text.String())))
		for i := range got {
			require.Equal(t, string(wanted[i]), string(got[i]))
		}
	})
}

func scalar() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"1", "-1.5e3", "true", "null", `""`, `"]"`, `"\\"`, `"\""`, `",{["`}),
		rapid.Map(rapid.String(), func(s string) string { raw, _ := json.Marshal(s); return string(raw) }))
}

func nested(of *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		a, b := of.Draw(t, "a"), of.Draw(t, "b")
		return rapid.SampledFrom([]string{"[]", "{}", "[ " + a + " , [" + b + "]]", `{"a":` + a + `,"]":{"b" : ` + b + `}}`}).Draw(t, "form")
	})
}

func TestCheckAnswer(t *testing.T) {
	const most = 128 << 20
	for _, test := range []struct {
		items, bytes int
		name         string
		ok           bool
	}{
		{0, 2, "c", true}, {30_000, 60_000, "c", true}, // small in any case
		{1_500_000, 3_000_000, "c", false}, // [1,1,…
		{100_000, 300_000, "c", false},     // [{},{},…
		{100_000, 1_000_000, "c", true},    // ["123456",…
		{500_000, 20_000_000, "c", true},   // half a million of small documents
		{1_000_000, 100 << 20, "c", false}, // more than an answer may have
		{500_000, 20_000_000, strings.Repeat("n", 256), false},
	} {
		err := CheckAnswer(test.items, test.bytes, test.name, most)
		require.Equal(t, test.ok, err == nil, "the answer may be out of proportion: %+v: %v", test, err)
		if !test.ok {
			require.ErrorIs(t, err, apierror.EntityTooLarge)
			require.ErrorContains(t, err, "nothing was done")
		}
	}
	require.Error(t, CheckAnswer(100, 10_000, "c", 1000))
}

// The first errors are told in full, as far as they are short; then the number has to do.
func TestFailuresAreTold(t *testing.T) {
	var f Failures
	long := apierror.New(apierror.DocumentKeyBad, "%s", strings.Repeat("ä", 10_000))
	for i := range fullMessages + 10 {
		message := f.Entry(long)["errorMessage"].(string)
		require.LessOrEqual(t, len(message), maxMessage+len("…"))
		require.Equal(t, i < fullMessages, strings.HasPrefix(message, "ää"), message)
	}
	require.Equal(t, "error 32; see the first items that failed", f.Entry(apierror.New(apierror.ResourceLimit, "x"))["errorMessage"])
	require.JSONEq(t, `{"1221":1010,"32":1}`, f.Codes())
}
