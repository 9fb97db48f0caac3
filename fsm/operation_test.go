package fsm

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every operation, on a missing target, on one of its own type and on one of
// another. An empty target is a missing one, an empty result a node that does
// not exist afterwards.
func TestOperations(t *testing.T) {
	const malformed, refused = "malformed", "refused"
	tests := []struct{ op, target, want string }{
		{`{"op":"set","new":{"op":13}}`, ``, `{"op":13}`},
		{`{"op":"set","new":1}`, `{"b":{"c":1}}`, `1`},
		{`{"op":"set","new":null}`, `5`, `null`},
		{`{"op":"set"}`, `5`, malformed},
		{`{"new":5}`, ``, `{"new":5}`},
		{`[1,{"op":"delete"}]`, `7`, `[1,{"op":"delete"}]`},
		{`{"op":"delete"}`, `{"b":1}`, ``},
		{`{"op":"delete"}`, ``, ``},

		{`{"op":"increment"}`, ``, `1`},
		{`{"op":"increment"}`, `41`, `42`},
		{`{"op":"increment"}`, `41.0`, `42`},
		{`{"op":"increment"}`, `1.5`, `1`},
		{`{"op":"increment"}`, `[1]`, `1`},
		{`{"op":"increment"}`, `{"b":1}`, `1`},
		{`{"op":"increment","step":-7}`, `"x"`, `-7`},
		{`{"op":"increment","step":1.5}`, `1`, malformed},
		{`{"op":"increment","step":"1"}`, `1`, malformed},
		{`{"op":"increment"}`, `9223372036854775807`, `9223372036854775808`},
		{`{"op":"increment"}`, `18446744073709551615`, refused},
		{`{"op":"increment","step":18446744073709551615}`, `-9223372036854775808`, `9223372036854775807`},
		{`{"op":"decrement"}`, ``, `-1`},
		{`{"op":"decrement","step":2}`, `1`, `-1`},
		{`{"op":"decrement","step":-2}`, `1`, `3`},
		{`{"op":"decrement"}`, `9223372036854775808`, `9223372036854775807`},
		{`{"op":"decrement"}`, `-9223372036854775808`, refused},
		{`{"op":"decrement","step":18446744073709551615}`, `1`, refused},

		{`{"op":"push","new":1}`, ``, `[1]`},
		{`{"op":"push","new":1}`, `[0]`, `[0,1]`},
		{`{"op":"push","new":1}`, `{"b":1}`, `[1]`},
		{`{"op":"push","new":{"a/b":1,"":2}}`, `[]`, `[{"":2,"a/b":1}]`},
		{`{"op":"push"}`, `[0]`, malformed},
		{`{"op":"push-queue","new":"max","len":4}`, `[1,2,3]`, `[1,2,3,"max"]`},
		{`{"op":"push-queue","new":3.141592653589793,"len":4}`, `[1,2,3,"max"]`, `[2,3,"max",3.141592653589793]`},
		{`{"op":"push-queue","new":5,"len":3}`, `[1,2,3,4]`, `[3,4,5]`},
		{`{"op":"push-queue","new":5,"len":0}`, `[1,2]`, `[]`},
		{`{"op":"push-queue","new":5,"len":0}`, ``, `[]`},
		{`{"op":"push-queue","new":5,"len":9}`, `true`, `[5]`},
		{`{"op":"push-queue","new":5,"len":9223372036854775807}`, `[1]`, `[1,5]`},
		{`{"op":"push-queue","new":5,"len":-1}`, `[]`, malformed},
		{`{"op":"push-queue","new":5,"len":"1"}`, `[]`, malformed},
		{`{"op":"push-queue","new":5}`, `[]`, malformed},
		{`{"op":"push-queue","len":5}`, `[]`, malformed},
		{`{"op":"prepend","new":1}`, ``, `[1]`},
		{`{"op":"prepend","new":1}`, `[0]`, `[1,0]`},
		{`{"op":"prepend","new":1}`, `0`, `[1]`},
		{`{"op":"prepend"}`, `0`, malformed},
		{`{"op":"pop"}`, ``, `[]`},
		{`{"op":"pop"}`, `[1,2]`, `[1]`},
		{`{"op":"pop"}`, `[]`, `[]`},
		{`{"op":"pop"}`, `"x"`, `[]`},
		{`{"op":"shift"}`, ``, `[]`},
		{`{"op":"shift"}`, `[1,2]`, `[2]`},
		{`{"op":"shift"}`, `[]`, `[]`},
		{`{"op":"shift"}`, `{}`, `[]`},

		{`{"op":"erase","val":1}`, ``, ``},
		{`{"op":"erase","val":1}`, `[1,2,1.0,"1"]`, `[2,"1"]`},
		{`{"op":"erase","val":{"a":1,"b":[2]}}`, `[{"b":[2],"a":1},{"a":1}]`, `[{"a":1}]`},
		{`{"op":"erase","val":null}`, `[null,0]`, `[0]`},
		{`{"op":"erase","val":1}`, `7`, `[]`},
		{`{"op":"erase","pos":0}`, ``, ``},
		{`{"op":"erase","pos":0}`, `7`, `[]`},
		{`{"op":"erase","pos":1}`, `[1,2,3]`, `[1,3]`},
		{`{"op":"erase","pos":3}`, `[1,2,3]`, `[1,2,3]`},
		{`{"op":"erase","pos":9223372036854775807}`, `[1]`, `[1]`},
		{`{"op":"erase"}`, `[1]`, malformed},
		{`{"op":"erase","val":1,"pos":0}`, `[1]`, malformed},
		{`{"op":"erase","pos":-1}`, `[1]`, malformed},
		{`{"op":"erase","pos":0.5}`, `[1]`, malformed},
		{`{"op":"replace","val":1,"new":9}`, ``, ``},
		{`{"op":"replace","val":1,"new":9}`, `[1,2,1]`, `[9,2,9]`},
		{`{"op":"replace","val":1,"new":9}`, `{"b":1}`, `[]`},
		{`{"op":"replace","val":1}`, `[1]`, malformed},
		{`{"op":"replace","new":1}`, `[1]`, malformed},

		{`{"op":"read-lock","by":"x"}`, ``, `["x"]`},
		{`{"op":"read-lock","by":"x"}`, `{}`, `["x"]`},
		{`{"op":"read-lock","by":"x"}`, `["y"]`, `["y","x"]`},
		{`{"op":"read-lock","by":"x"}`, `["x"]`, refused},
		{`{"op":"read-lock","by":"x"}`, `["y",1]`, refused},
		{`{"op":"read-lock","by":"x"}`, `"y"`, refused},
		{`{"op":"read-lock","by":"x"}`, `{"b":1}`, refused},
		{`{"op":"read-lock","by":1}`, ``, malformed},
		{`{"op":"read-lock"}`, ``, malformed},
		{`{"op":"read-unlock","by":"x"}`, ``, refused},
		{`{"op":"read-unlock","by":"x"}`, `["y","x"]`, `["y"]`},
		{`{"op":"read-unlock","by":"x"}`, `["x"]`, ``},
		{`{"op":"read-unlock","by":"x"}`, `["y"]`, refused},
		{`{"op":"read-unlock","by":"x"}`, `"x"`, refused},
		{`{"op":"write-lock","by":"x"}`, ``, `"x"`},
		{`{"op":"write-lock","by":"x"}`, `{}`, `"x"`},
		{`{"op":"write-lock","by":"x"}`, `"x"`, refused},
		{`{"op":"write-lock","by":"x"}`, `[]`, refused},
		{`{"op":"write-unlock","by":"x"}`, ``, ``},
		{`{"op":"write-unlock","by":"x"}`, `"x"`, ``},
		{`{"op":"write-unlock","by":"x"}`, `"y"`, refused},
		{`{"op":"write-unlock","by":"x"}`, `["x"]`, refused},

		{`{"op":"observe","url":"http://x"}`, ``, ``},
		{`{"op":"observe","url":"http://x"}`, `1`, `1`},
		{`{"op":"observe"}`, ``, malformed},
		{`{"op":"unobserve","url":"http://x"}`, ``, ``},
		{`{"op":"unobserve","url":7}`, ``, malformed},
		{`{"op":"frobnicate"}`, `1`, malformed},
		{`{"op":5}`, `1`, malformed},
		{`{"op":null}`, `1`, malformed},
	}
	for _, tt := range tests {
		t.Run(tt.op+" on "+tt.target, func(t *testing.T) {
			m := New(10)
			if tt.target != "" {
				write(t, m, `[{"/p/a":`+tt.target+`}]`)
			}
			before := m.State()
			o := apply(t, m, `[{"/p/a":`+tt.op+`,"/z":1}]`)[0]
			switch tt.want {
			case malformed, refused:
				want := ErrMalformed
				if tt.want == refused {
					want = ErrNotApplicable
				}
				require.ErrorIs(t, o.Reason, want)
				require.Zero(t, o.Index)
				require.Empty(t, o.Failed, "a precondition must not be blamed")
				require.Same(t, before.Root(), m.State().Root(), "a failing operation must not leave anything")
				require.Equal(t, before.Index(), m.State().Index())
				return
			}
			require.NoError(t, o.Reason)
			require.Equal(t, before.Index()+1, o.Index)
			got := m.State().Root().At("/p/a")
			if tt.want == "" {
				require.False(t, got.Exists(), "%s", got)
				require.Equal(t, tt.target != "", m.State().Root().At("/p").Exists(), "parents stay, none are made")
				return
			}
			require.Equal(t, tt.want, got.String())
		})
	}
}

// The root is a target like any other, except that it always exists.
func TestOperationsOnTheRoot(t *testing.T) {
	m := New(10)
	steps := []struct{ op, want string }{
		{`{"op":"increment"}`, `1`},
		{`{"op":"delete"}`, `{}`},
		{`{"op":"push","new":"Hello"}`, `["Hello"]`},
		{`{"op":"pop"}`, `[]`},
		{`{"op":"pop"}`, `[]`},
		{`{"op":"prepend","new":"Hello"}`, `["Hello"]`},
		{`{"op":"shift"}`, `[]`},
		{`{"op":"shift"}`, `[]`},
		{`{"op":"delete"}`, `{}`},
		{`{"op":"write-lock","by":"x"}`, `"x"`},
		{`{"op":"write-unlock","by":"x"}`, `{}`},
		{`[1,2,3]`, `[1,2,3]`},
	}
	for _, step := range steps {
		write(t, m, `[{"//":`+step.op+`}]`)
		require.Equal(t, step.want, tree(m), step.op)
	}
	write(t, m, `[{"/a":[1]}]`)
	require.Equal(t, `{"a":[1]}`, tree(m), "an array that is written below becomes an object")
}

func TestOperationsApplyInOrderOfPath(t *testing.T) {
	for _, raw := range []string{
		`[{"/a":{},"/a/b":1}]`,
		`[{"a/b":1,"//a/":{}}]`,
	} {
		m := New(10)
		write(t, m, raw)
		require.Equal(t, `{"a":{"b":1}}`, tree(m))
	}
	m := machineWith(t, `{"a":7}`)
	write(t, m, `[{"/a b":{"op":"set","new":1},"/a":{"op":"delete"},"/":{"op":"set","new":{"a":1,"c":2}}}]`)
	require.Equal(t, `{"a b":1,"c":2}`, tree(m))
}

func TestOnePlaceCannotBeWrittenTwice(t *testing.T) {
	for _, raw := range []string{
		`[{"/a":1,"a":2}]`,
		`[{"/a":1,"/a":1}]`,
		`[{"":1,"/":1}]`,
		`[{"/a":{"op":"set","op":"delete"}}]`,
		`[{"/a":{"b":1,"b":1}}]`,
		`[{"/a":{"b/c":1,"b":{"c":1}}}]`,
		`[{"/a":{"b":5,"b/c":1}}]`,
		`[{"/a":[{"b":1,"b":1}]}]`,
	} {
		m := New(10)
		require.ErrorIs(t, apply(t, m, raw)[0].Reason, ErrMalformed, raw)
		require.Equal(t, `{}`, tree(m))
	}
}

func TestObserveKeepsRegistrationsOnly(t *testing.T) {
	m := New(10)
	observe := func(op, path, url string) {
		write(t, m, `[{"`+path+`":{"op":"`+op+`","url":"`+url+`"}}]`)
	}
	observe("observe", "/a/b", "http://2")
	observe("observe", "a//b/", "http://1")
	observe("observe", "/a/b", "http://2")
	observe("observe", "/", "http://1")
	observe("unobserve", "/never", "http://1")
	require.Equal(t, map[string][]string{"/a/b": {"http://1", "http://2"}, "/": {"http://1"}}, m.State().Observers())
	require.Equal(t, `{}`, tree(m))
	require.Equal(t, m.State().Observers(), restored(t, snapshotOf(t, m.State())).Observers())

	observe("unobserve", "/a/b", "http://2")
	observe("unobserve", "/", "http://1")
	require.Equal(t, map[string][]string{"/a/b": {"http://1"}}, m.State().Observers())
}

// TestObserved: who observes a path is told of what was changed there, above it or
// below it, and by which operation.
func TestObserved(t *testing.T) {
	m := New(10)
	write(t, m, `[{"/a/b":{"op":"observe","url":"u"},"/":{"op":"observe","url":"root"},"/ab":{"op":"observe","url":"u"}}]`)
	for query, want := range map[string]Calls{
		`{"/a/b":1}`:                          {"u": {"/a/b": {"/a/b": "set"}}, "root": {"/": {"/a/b": "set"}}},
		`{"a//b/c/":{"op":"increment"}}`:      {"u": {"/a/b": {"/a/b/c": "increment"}}, "root": {"/": {"/a/b/c": "increment"}}},
		`{"/a":{"op":"delete"},"/ab/x":[1]}`:  {"u": {"/a/b": {"/a": "delete"}, "/ab": {"/ab/x": "set"}}, "root": {"/": {"/a": "delete", "/ab/x": "set"}}},
		`{"/abc":1,"/a/bb":2}`:                {"root": {"/": {"/abc": "set", "/a/bb": "set"}}},
		`{"/":{}}`:                            {"u": {"/a/b": {"/": "set"}, "/ab": {"/": "set"}}, "root": {"/": {"/": "set"}}},
		`{"/a/b":{"op":"observe","url":"v"}}`: {},
	} {
		calls := Calls{}
		m.State().Observed(Entry{Query: json.RawMessage(query)}, calls)
		require.Equal(t, want, calls, query)
	}
	calls := Calls{"root": {"/": {"/x": "set"}}}
	m.State().Observed(Entry{Query: json.RawMessage(`{"/x":{"op":"delete"}}`), Expired: []string{"/ab"}}, calls)
	require.Equal(t, Calls{"u": {"/ab": {"/ab": "delete"}}, "root": {"/": {"/x": "delete", "/ab": "delete"}}}, calls)
	New(1).State().Observed(Entry{Query: json.RawMessage(`{"/x":1}`)}, calls)
}

// However a value is put together, nothing lies deeper than the limit, so
// whatever was written can be read again.
func TestDepthIsBounded(t *testing.T) {
	m := New(10)
	path := func(n int) string {
		return string(repeat("/a", n))
	}
	write(t, m, `[{"`+path(maxDepth)+`":1}]`)
	for _, raw := range []string{
		`[{"` + path(maxDepth+1) + `":1}]`,
		`[{"` + path(maxDepth+1) + `":{"op":"increment"}}]`,
		`[{"` + path(maxDepth+1) + `":{"op":"pop"}}]`,
		`[{"` + path(maxDepth) + `":{"b":1}}]`,
		`[{"` + path(maxDepth) + `":{"op":"push","new":1}}]`,
		`[{"` + path(maxDepth) + `":[1]}]`,
		`[{"/":{"` + path(maxDepth+1) + `":1}}]`,
		`[{"/":` + string(repeat(`{"a":`, maxDepth+1)) + `1` + string(repeat(`}`, maxDepth+1)) + `}]`,
	} {
		require.ErrorIs(t, apply(t, m, raw)[0].Reason, ErrMalformed)
	}
	again, err := Parse([]byte(tree(m)))
	require.NoError(t, err)
	require.True(t, Equal(again, m.State().Root()))
	require.True(t, Equal(restored(t, snapshotOf(t, m.State())).Root(), m.State().Root()))
}

func repeat(s string, n int) []byte {
	var all []byte
	for range n {
		all = append(all, s...)
	}
	return all
}
