package shardkey_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
	"stasis/internal/shardkey"
)

func values(document string) shardkey.Value {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &m); err != nil {
		panic(err)
	}
	return func(name string) json.RawMessage { return m[name] }
}

func index(t require.TestingT, k shardkey.Keys, document string, n int) int {
	i, known := k.Spot(values(document)).Index(n)
	require.True(t, known)
	return i
}

// The function that places documents must never change.
func TestPlaceIsFixed(t *testing.T) {
	k := shardkey.Keys{"a", "b"}
	var got []int
	for _, document := range []string{
		`{}`, `{"a":1}`, `{"b":1}`, `{"a":1,"b":"2"}`, `{"a":-1.5e300,"b":true}`, `{"a":"ü","b":false}`, `{"a":[1,"x",null],"b":{"y":[],"x":{}}}`, `{"a":"1"}`,
	} {
		got = append(got, index(t, k, document, 1000))
	}
	require.Equal(t, fixedPlaces, fmt.Sprint(got))
	counts := make([]int, 8)
	for i := range 80_000 {
		counts[index(t, shardkey.Keys{"a"}, fmt.Sprintf(`{"a":%d}`, i), 8)]++
	}
	require.InDelta(t, 10_000, slices.Min(counts), 500)
	require.InDelta(t, 10_000, slices.Max(counts), 500)
}

// How a value is written does not matter; what it is does.
func TestSameValues(t *testing.T) {
	for _, same := range [][]string{
		{`1`, `1.0`, `1e0`, `10e-1`, ` 1 `}, {`"1"`, `"\u0031"`}, {`0`, `-0`, `0.0`}, {`null`, ``}, {`true`}, {`false`}, {`""`}, {`[]`}, {`{}`},
		{`[1,2]`, `[1.0, 2]`}, {`[2,1]`}, {`{"a":1,"b":[]}`, `{"b":[],"a":1.0}`, `{"a":2,"b":[],"a":1}`}, {`{"a":null}`}, {`[[1],2]`}, {`[[1,2]]`}, {`"1,2"`},
		{`9007199254740993`, `9007199254740992`}, {`1e400`, `2e400`}, {`-1e400`}, {`"é"`, `"\u00e9"`}, {`"e\u0301"`},
	} {
		for _, written := range same {
			require.True(t, shardkey.Same(json.RawMessage(same[0]), json.RawMessage(written)), "%s and %s", same[0], written)
		}
	}
	all := []string{`1`, `"1"`, `null`, `true`, `false`, `""`, `0`, `[]`, `{}`, `[1]`, `["1"]`, `[1,2]`, `[[1],2]`, `[[1,2]]`, `{"a":1}`, `{"a":null}`, `{"1":null}`, `"null"`, `"true"`}
	for i, a := range all {
		for j, b := range all {
			require.Equal(t, i == j, shardkey.Same(json.RawMessage(a), json.RawMessage(b)), "%s and %s", a, b)
		}
	}
	k := shardkey.Keys{"a", "b"}
	require.NotEqual(t, index(t, k, `{"a":"x","b":"y"}`, 1<<30), index(t, k, `{"a":"xy"}`, 1<<30), "the values are told apart")
	require.NotEqual(t, index(t, k, `{"a":1}`, 1<<30), index(t, k, `{"b":1}`, 1<<30), "the order of the keys matters")
	require.Equal(t, index(t, k, `{"a":1}`, 1<<30), index(t, k, `{"b":null,"a":1.0,"c":7}`, 1<<30), "null is the same as missing, and other attributes do not matter")
}

// Whatever two documents are: if their shard keys are the same, they are on the same shard.
func TestSameValuesAreOnOneShard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{`1`, `1.0`, `1e0`, `-0`, `0`, `"1"`, `"\u0031"`, `null`, `[1,{"a":1,"b":2}]`, `[1.0,{"b":2,"a":1}]`, `{"a":[]}`, `true`})
		draw := func(label string) string {
			return fmt.Sprintf(`{"a":%s,"b":%s}`, value.Draw(t, label+" a"), value.Draw(t, label+" b"))
		}
		x, y := draw("x"), draw("y")
		same := shardkey.Same(values(x)("a"), values(y)("a")) && shardkey.Same(values(x)("b"), values(y)("b"))
		k := shardkey.Keys{"a", "b"}
		require.Equal(t, same, index(t, k, x, 1<<40) == index(t, k, y, 1<<40))
	})
}

func TestCheck(t *testing.T) {
	for _, good := range []struct{ chosen, kept string }{
		{"a", "a"}, {"_key", "_key"}, {"_from,_to", "_from,_to"}, {",foo", "foo"}, {"bar,", "bar"}, {"a,b,c,d,e,f,g,h", "a,b,c,d,e,f,g,h"}, {"a.b", "a.b"}, {"a:b", "a:b"}, {"a,a", "a,a"}, {"_key,a", "_key,a"},
	} {
		names, err := shardkey.Check(strings.Split(good.chosen, ","))
		require.NoError(t, err, good.chosen)
		require.Equal(t, good.kept, strings.Join(names, ","))
	}
	for _, bad := range [][]string{{}, {""}, {"", ""}, {"_id"}, {"a", "_rev"}, {":_id"}, {"_rev:"}, {":_key"}, {"_key:"}, {"a:"}, {":"}, strings.Split("a,b,c,d,e,f,g,h,i", ","), {strings.Repeat("x", 257)}} {
		_, err := shardkey.Check(bad)
		require.ErrorIs(t, err, apierror.BadParameter, "%q", bad)
	}
}

func TestKeys(t *testing.T) {
	require.Nil(t, shardkey.Of(nil))
	require.Nil(t, shardkey.Of([]string{"_key"}))
	require.Equal(t, shardkey.Keys{"_key", "a"}, shardkey.Of([]string{"_key", "a"}))
	k := shardkey.Keys{"a", "b"}
	require.Equal(t, "a", k.Missing(values(`{}`)))
	require.Equal(t, "b", k.Missing(values(`{"a":null}`)))
	require.Empty(t, k.Missing(values(`{"a":null,"b":0}`)))
	_, known := shardkey.Spot{}.Index(3)
	require.False(t, known)
}

// fixedPlaces is where some documents have always been.
const fixedPlaces = "[663 810 820 196 657 198 315 275]"
