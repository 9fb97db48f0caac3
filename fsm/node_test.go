package fsm

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestValuesAreExact(t *testing.T) {
	for raw, want := range map[string]string{
		`null`: `null`, ` true `: `true`, `false`: `false`,
		`0`: `0`, `-0`: `0`, `-0.0`: `0`, `1.0`: `1`, `1e3`: `1000`, `12E-1`: `1.2`,
		`9223372036854775807`:                 `9223372036854775807`,
		`-9223372036854775808`:                `-9223372036854775808`,
		`9223372036854775808`:                 `9223372036854775808`,
		`18446744073709551615`:                `18446744073709551615`,
		`18446744073709551616`:                `18446744073709552000`,
		`-9223372036854775809`:                `-9223372036854775808`,
		`9007199254740993`:                    `9007199254740993`,
		`2.71828182845904523536`:              `2.718281828459045`,
		`1e21`:                                `1e+21`,
		`1e300`:                               `1e+300`,
		`5e-324`:                              `5e-324`,
		`1e-400`:                              `0`,
		`1.5e-7`:                              `1.5e-7`,
		`"\u00e4\ud83d\ude00\/"`:              `"ä😀/"`,
		`"\u0000\u001f\"\\\n\r\t\b"`:          `"\u0000\u001f\"\\\n\r\t\u0008"`,
		`"\ud800"`:                            `"�"`,
		"\"\xff\"":                            `"�"`,
		`[]`:                                  `[]`,
		"[ 1 ,\n[2] , {} ]":                   `[1,[2],{}]`,
		`{"b":1,"a":{"d":2,"c":3}}`:           `{"a":{"c":3,"d":2},"b":1}`,
		`{"b///c":4}`:                         `{"b":{"c":4}}`,
		`{"/b/":{"x":1},"b":{"y":2},"b/z":3}`: `{"b":{"x":1,"y":2,"z":3}}`,
		`[{"b///c":4,"":5,"/":6}]`:            `[{"":5,"/":6,"b///c":4}]`,
	} {
		n := value(t, raw)
		require.Equal(t, want, n.String(), raw)
		again := value(t, n.String())
		require.True(t, Equal(n, again), raw)
		require.Equal(t, want, again.String(), raw)
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	for raw, want := range map[string]error{
		``: errSyntax, ` `: errSyntax, `{`: errSyntax, `{"a":1,}`: errSyntax, `[1 2]`: errSyntax, `01`: errSyntax, `nul`: errSyntax,
		`"a`: errSyntax, `1 2`: errSyntax, `{a:1}`: errSyntax, `NaN`: errSyntax, "\"\n\"": errSyntax,
		`1e999`: errRange, `-1e999`: errRange, `[1e999]`: errRange,
		`{"":1}`: errNoSegment, `{"a":{"//":1}}`: errNoSegment,
		`{"a":1,"a":1}`: errRepeated, `{"a":1,"\u0061":1}`: errRepeated, `[{"a":1,"a":2}]`: errRepeated,
		`{"a":1,"/a":1}`: errRepeated, `{"a/b":1,"a":5}`: errRepeated, `{"a/b":{"c":1},"a":{"b":{"c":2}}}`: errRepeated,
		strings.Repeat("[", 202) + strings.Repeat("]", 202):             errDepth,
		strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5):             errSyntax,
		`{"` + strings.Repeat("a/", 201) + `":1}`:                       errDepth,
		strings.Repeat(`{"a/b":`, 101) + `1` + strings.Repeat(`}`, 101): errDepth,
	} {
		n, err := Parse([]byte(raw))
		require.ErrorIs(t, err, want, "%.40s", raw)
		require.Nil(t, n)
	}
	value(t, strings.Repeat("[", 201)+strings.Repeat("]", 201))
}

// Numbers compare by value, however they are written.
func TestNumbersCompareByValue(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			raw, _ := json.Marshal(rapid.Int64().Draw(t, "int"))
			return string(raw)
		case 1:
			raw, _ := json.Marshal(rapid.Uint64().Draw(t, "uint"))
			return string(raw)
		case 2:
			raw, _ := json.Marshal(float64(rapid.IntRange(-3, 3).Draw(t, "half")) / 2)
			return string(raw) + "e0"
		}
		raw, _ := json.Marshal(rapid.Float64().Draw(t, "double"))
		return string(raw)
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := number.Draw(rt, "a"), number.Draw(rt, "b")
		same := modelValue(a).(*big.Rat).Cmp(modelValue(b).(*big.Rat)) == 0
		require.Equal(rt, same, Equal(value(rt, a), value(rt, b)), "%s and %s", a, b)
		require.Equal(rt, modelText(modelValue(a)), modelText(modelValue(value(rt, a).String())))
	})
}

func TestNodeAccessors(t *testing.T) {
	n := value(t, `{"o":{"b":1,"a":null,".h":0},"l":[1,[2]],"s":"x","i":-7,"u":18446744073709551615,"d":1.5}`)
	require.Equal(t, 3, n.At("o").Len())
	require.Equal(t, 2, n.At("/l").Len())
	require.Zero(t, n.At("s").Len())
	require.Same(t, n, n.At("//"))
	require.True(t, n.At("o//a/").Exists(), "null is a value")
	require.False(t, n.At("l/0").Exists(), "no path leads into an array")
	require.False(t, n.At("s/x").Exists())
	require.Equal(t, "x", n.At("s").Text())
	require.Empty(t, n.At("i").Text())
	i, ok := n.At("i").Int()
	require.True(t, ok)
	require.EqualValues(t, -7, i)
	for _, path := range []string{"u", "d", "s", "o", "none"} {
		_, ok = n.At(path).Int()
		require.False(t, ok, path)
	}
	var keys []string
	for key := range n.At("o").Children() {
		keys = append(keys, key)
	}
	require.Equal(t, []string{".h", "a", "b"}, keys)
	for range n.At("l").Children() {
		require.Fail(t, "an array has no children")
	}
	var into struct {
		B int
		A *int
	}
	require.NoError(t, n.At("o").Decode(&into))
	require.Equal(t, 1, into.B)
	require.Error(t, n.At("s").Decode(&into))

	raw, err := json.Marshal(map[string]*Node{"n": n.At("l"), "none": nil})
	require.NoError(t, err)
	require.Equal(t, `{"n":[1,[2]],"none":null}`, string(raw))
}

func TestMissingNode(t *testing.T) {
	var n *Node
	require.False(t, n.Exists())
	require.Nil(t, n.At("a/b"))
	require.Zero(t, n.Len())
	require.Empty(t, n.Text())
	require.ErrorIs(t, n.Decode(new(int)), ErrMissing)
	raw, err := n.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `null`, string(raw))
	for range n.Children() {
		require.Fail(t, "nothing has no children")
	}
	require.True(t, Equal(nil, nil))
	require.False(t, Equal(nil, nullNode))
	require.False(t, Equal(nullNode, nil))
}

func TestDoublesOnTheEdges(t *testing.T) {
	require.Equal(t, kindUint, doubleNode(math.MaxInt64+1).kind)
	require.Equal(t, kindUint, doubleNode(math.Nextafter(math.MaxUint64, 0)).kind)
	require.Equal(t, kindDouble, doubleNode(math.MaxUint64+1).kind)
	require.Equal(t, kindInt, doubleNode(math.MinInt64).kind)
	require.Equal(t, kindDouble, doubleNode(math.Nextafter(math.MinInt64, math.Inf(-1))).kind)
}
