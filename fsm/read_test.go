package fsm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadIsACrossSection(t *testing.T) {
	const root = `{"a":{"b":{"c":1},"e":12},"d":false,"arr":[{"x":1}],"n":null}`
	tests := []struct {
		paths []string
		want  string
	}{
		{[]string{"/a/b"}, `{"a":{"b":{"c":1}}}`},
		{[]string{"/a/b/x"}, `{"a":{"b":{}}}`},
		{[]string{"/a/x/y"}, `{"a":{}}`},
		{[]string{"/x/y"}, `{}`},
		{[]string{"/a/e/z"}, `{"a":{"e":{}}}`},
		{[]string{"/a/e/z", "a//e"}, `{"a":{"e":12}}`},
		{[]string{"/a/b/x", "/d"}, `{"a":{"b":{}},"d":false}`},
		{[]string{"/a/b", "/a"}, `{"a":{"b":{"c":1},"e":12}}`},
		{[]string{"/a", "/a/b"}, `{"a":{"b":{"c":1},"e":12}}`},
		{[]string{"/a/e", "/a/b/c"}, `{"a":{"b":{"c":1},"e":12}}`},
		{[]string{"/arr/0"}, `{"arr":{}}`},
		{[]string{"/arr"}, `{"arr":[{"x":1}]}`},
		{[]string{"n", "n/x"}, `{"n":null}`},
		{[]string{"/bumms"}, `{}`},
		{[]string{}, `{}`},
		{nil, `{}`},
		{[]string{"/"}, value(t, root).String()},
		{[]string{"", "/a"}, value(t, root).String()},
		{[]string{"////"}, value(t, root).String()},
	}
	m := machineWith(t, root)
	for _, tt := range tests {
		require.Equal(t, tt.want, read(m, tt.paths...), "%v", tt.paths)
	}
}

func TestReadOfARootThatIsNoObject(t *testing.T) {
	m := New(10)
	require.Equal(t, `{}`, read(m, "/"), "a pristine tree")
	for _, root := range []string{`1`, `[]`, `"x"`, `null`} {
		write(t, m, `[{"/":`+root+`}]`)
		require.Equal(t, root, read(m, "/"))
		require.Equal(t, `{}`, read(m, "/a"))
		require.Equal(t, `{}`, read(m))
	}
}

func TestReadHidesDottedKeys(t *testing.T) {
	m := machineWith(t, `{".h":1,"a":{".h":{"x":1},"b":{".i":2,"c":3},"arr":[{".k":1}]}}`)
	require.Equal(t, `{"a":{"arr":[{".k":1}],"b":{"c":3}}}`, read(m, "/"))
	require.Equal(t, `{"a":{"b":{"c":3}}}`, read(m, "/a/b"))
	require.Equal(t, `{"a":{"b":{".i":2}}}`, read(m, "/a/b/.i"))
	require.Equal(t, `{".h":1}`, read(m, ".h"))
	require.Equal(t, `{"a":{"b":{".i":2,"c":3}}}`, read(m, "/a/b", "/a/.x"), "one path that asks for hidden keys shows all")
	require.Contains(t, tree(m), `".h"`, "Root hides nothing")

	write(t, m, `[{"/a":{"op":"delete"},"/.h":{"op":"delete"},"/a/z":1}]`)
	require.Equal(t, `{"a":{"z":1}}`, read(m, "/"))
	write(t, m, `[{"/a/q/.deep":1}]`)
	require.Equal(t, `{"a":{"q":{},"z":1}}`, read(m, "/"))
	require.Equal(t, `{"a":{"q":{},"z":1}}`, restored(t, snapshotOf(t, m.State())).Read([]string{"/"}).String())
}
