package fsm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every operator, on a missing node, on one that fits and on one that does not.
// An empty node is a missing one.
func TestPreconditions(t *testing.T) {
	tests := []struct {
		condition, node string
		holds           bool
	}{
		{`{"old":1}`, `1`, true},
		{`{"old":1.0}`, `1`, true},
		{`{"old":1e0}`, `1`, true},
		{`{"old":18446744073709551615}`, `18446744073709551615`, true},
		{`{"old":18446744073709551615}`, `18446744073709551614`, false},
		{`{"old":9007199254740993}`, `9007199254740992.0`, false},
		{`{"old":"1"}`, `1`, false},
		{`{"old":null}`, `null`, true},
		{`{"old":false}`, `null`, false},
		{`{"old":{}}`, ``, true},
		{`{"old":null}`, ``, false},
		{`{"old":{}}`, `{}`, true},
		{`{"old":[]}`, `{}`, false},
		{`{"old":{"b":{"c":12},"a":1}}`, `{"a":1,"b":{"c":12}}`, true},
		{`{"old":{"b///c":4}}`, `{"b":{"c":4}}`, true},
		{`{"old":{"b":1}}`, `{"b":1,"c":1}`, false},
		{`{"old":[{"x":1,"y":2}]}`, `[{"y":2,"x":1}]`, true},
		{`{"old":[1,2]}`, `[2,1]`, false},
		{`{"oldNot":1}`, `2`, true},
		{`{"oldNot":1}`, `1`, false},
		{`{"oldNot":1}`, ``, true},
		{`{"oldNot":{}}`, ``, false},
		{`{"oldEmpty":true}`, ``, true},
		{`{"oldEmpty":true}`, `null`, false},
		{`{"oldEmpty":true}`, `{}`, false},
		{`{"oldEmpty":false}`, ``, false},
		{`{"oldEmpty":false}`, `null`, true},
		{`{"oldEmpty":false}`, `[]`, true},
		{`{"oldEmpty":1}`, `1`, false},
		{`{"oldEmpty":"true"}`, ``, false},
		{`{"isArray":true}`, `[]`, true},
		{`{"isArray":true}`, `{}`, false},
		{`{"isArray":true}`, ``, false},
		{`{"isArray":false}`, `1`, true},
		{`{"isArray":false}`, ``, true},
		{`{"isArray":false}`, `[1]`, false},
		{`{"isArray":0}`, `1`, false},
		{`{"in":1}`, `[0,1]`, true},
		{`{"in":{"a":1,"b":2}}`, `[{"b":2,"a":1}]`, true},
		{`{"in":1}`, `[0]`, false},
		{`{"in":1}`, `1`, false},
		{`{"in":1}`, ``, false},
		{`{"notin":1}`, `[0]`, true},
		{`{"notin":1}`, `[1]`, false},
		{`{"notin":1}`, `2`, false},
		{`{"notin":1}`, ``, true},
		{`{"intersectionEmpty":[1,2]}`, `[3]`, true},
		{`{"intersectionEmpty":[1,2]}`, `[3,2]`, false},
		{`{"intersectionEmpty":[]}`, `[3,2]`, true},
		{`{"intersectionEmpty":[1]}`, `1`, true},
		{`{"intersectionEmpty":[1]}`, ``, true},
		{`{"intersectionEmpty":1}`, ``, false},
		{`{"is-write-locked":"x"}`, `"x"`, true},
		{`{"is-write-locked":"x"}`, `"y"`, false},
		{`{"is-write-locked":"x"}`, ``, false},
		{`{"is-write-locked":1}`, `1`, false},
		{`{"is-read-locked":"x"}`, `["y","x"]`, true},
		{`{"is-read-locked":"x"}`, `["x",1]`, false},
		{`{"is-read-locked":"x"}`, `["y"]`, false},
		{`{"is-read-locked":"x"}`, ``, false},
		{`{"can-write-lock":"x"}`, ``, true},
		{`{"can-write-lock":"x"}`, `{}`, true},
		{`{"can-write-lock":"x"}`, `"x"`, false},
		{`{"can-write-lock":"x"}`, `{"a":1}`, false},
		{`{"can-write-lock":1}`, ``, false},
		{`{"can-read-lock":"x"}`, ``, true},
		{`{"can-read-lock":"x"}`, `{}`, true},
		{`{"can-read-lock":"x"}`, `["y"]`, true},
		{`{"can-read-lock":"x"}`, `["y","x"]`, false},
		{`{"can-read-lock":"x"}`, `"y"`, false},
		{`{"can-read-lock":null}`, ``, false},
		{`{"olds":1}`, `1`, false},
		{`{"olds":1}`, ``, false},
		{`{}`, ``, true},
		{`{}`, `1`, true},
		{`{"old":1,"isArray":false,"oldNot":2}`, `1`, true},
		{`{"old":1,"isArray":true}`, `1`, false},
		{`12`, `12`, true},
		{`12`, `13`, false},
		{`[1]`, `[1]`, true},
		{`null`, `null`, true},
		{`null`, ``, false},
		{`"x"`, `"x"`, true},
		{`{"b":1}`, `{"b":1}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.condition+" on "+tt.node, func(t *testing.T) {
			m := New(10)
			if tt.node != "" {
				write(t, m, `[{"/p/a":`+tt.node+`}]`)
			}
			before := m.State()
			o := apply(t, m, `[{"/z":1},{"p//a":`+tt.condition+`}]`)[0]
			if tt.holds {
				require.NoError(t, o.Reason)
				require.NotZero(t, o.Index)
				return
			}
			require.ErrorIs(t, o.Reason, ErrPrecondition)
			require.NotErrorIs(t, o.Reason, ErrFrozen)
			require.Equal(t, []string{"/p/a"}, o.Failed)
			require.Same(t, before.Root(), m.State().Root())
		})
	}
}

func TestAllPreconditionsMustHold(t *testing.T) {
	m := machineWith(t, `{"a":1,"b":2}`)
	for pre, want := range map[string][]string{
		`{"a":1,"b":3}`:           {"/b"},
		`{"b":2,"a":2}`:           {"/a"},
		`{"b":3,"a":2}`:           {"/a", "/b"},
		`{"b":3,"/b":4,"//b/":2}`: {"/b"},
		`{"/":1}`:                 {"/"},
	} {
		require.Equal(t, want, apply(t, m, `[{"/z":1},`+pre+`]`)[0].Failed, pre)
	}
	require.NotZero(t, apply(t, m, `[{"/z":1},{"a":1,"b":2,"/":{"oldEmpty":false}}]`)[0].Index)
}

// A failed precondition is told before a malformed operation, a reserved key
// before both.
func TestWhichFailureIsTold(t *testing.T) {
	m := New(10)
	require.ErrorIs(t, apply(t, m, `[{"/a":{"op":"?"}},{"b":1}]`)[0].Reason, ErrPrecondition)
	require.ErrorIs(t, apply(t, m, `[{"/a":{"op":"?"}}]`)[0].Reason, ErrMalformed)
	for _, path := range []string{".agency", "/.agency", "/.agency/x", "//.agencyX"} {
		o := apply(t, m, `[{"/a":{"op":"?"},"`+path+`":1},{"b":1}]`)[0]
		require.ErrorIs(t, o.Reason, ErrForbidden, path)
		require.Empty(t, o.Failed)
	}
	require.True(t, tx(t, `[{"a":1,"/.agency":1}]`).Forbidden())
	require.False(t, tx(t, `[{"a/.agency":1}]`).Forbidden())
	require.Equal(t, `{}`, tree(m))
	require.Zero(t, m.State().Index())
}

func TestMalformedTransactions(t *testing.T) {
	for raw, want := range map[string]error{
		``:                        ErrEnvelope,
		`[{"a":1}`:                ErrEnvelope,
		`{"a":1}`:                 ErrEnvelope,
		`5`:                       ErrEnvelope,
		`[5]`:                     ErrEnvelope,
		`["/a"]`:                  ErrEnvelope,
		`[[],{}]`:                 ErrEnvelope,
		`[]`:                      ErrMalformed,
		`[{},{},"x","y"]`:         ErrMalformed,
		`[{},5]`:                  ErrMalformed,
		`[{},[]]`:                 ErrMalformed,
		`[{},{},5]`:               ErrMalformed,
		`[{},{},null]`:            ErrMalformed,
		`[{},{"a":1,"a":1}]`:      ErrMalformed,
		`[{},{"a":{"in":1e999}}]`: ErrMalformed,
	} {
		parsed, err := ParseTransaction([]byte(raw))
		require.ErrorIs(t, err, want, raw)
		o := New(1).Apply(1, Command{Transactions: []Transaction{parsed}})[0]
		require.ErrorIs(t, o.Reason, ErrMalformed, "the zero Transaction answers for itself")
		require.Zero(t, o.Index)
	}
}
