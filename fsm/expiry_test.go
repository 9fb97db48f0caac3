package fsm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func seen(m *Machine, after int64) string {
	return m.State().AsOf(testTime + after).Read([]string{"/"}).String()
}

func TestExpiredValuesAreNotSeen(t *testing.T) {
	m := New(10)
	write(t, m, `[{"/a/u":{"op":"set","new":{"x":1},"ttl":2},"/a/v":1}]`)
	require.Equal(t, `{"a":{"u":{"x":1},"v":1}}`, seen(m, 1999))
	require.Equal(t, `{"a":{"v":1}}`, seen(m, 2000), "parents stay")
	require.Equal(t, m.State().Index(), m.State().AsOf(testTime+9999).Index(), "expiry is no change")

	failed := applyAt(t, m, testTime+2000, `[{"/b":1},{"/a/u":{"oldEmpty":false}}]`)[0]
	require.Equal(t, []string{"/a/u"}, failed.Failed, "preconditions see it as missing")
	require.Equal(t, `{"a":{}}`, failed.State.Read(failed.Failed).String())

	applied := applyAt(t, m, testTime+2500, `[{"/a/u/y":1},{"/a/u":{"oldEmpty":true}}]`)[0]
	require.EqualValues(t, 2, applied.Index)
	require.Equal(t, `{"a":{"u":{"y":1},"v":1}}`, seen(m, 99999), "what is written below starts afresh and does not expire")
	entries, _ := m.State().Log(2)
	require.Equal(t, []string{"/a/u"}, entries[0].Expired)
}

func TestLifetimeOfAChangedValue(t *testing.T) {
	const set = `{"op":"set","new":1,"ttl":1}`
	tests := []struct{ write, want string }{
		{`{"/a/b":{"op":"set","new":2}}`, `{"a":{"b":2}}`},
		{`{"/a/b":2}`, `{"a":{"b":2}}`},
		{`{"/a/b":{"op":"set","new":2,"ttl":100}}`, `{"a":{"b":2}}`},
		{`{"/a/b":{"op":"increment"}}`, `{"a":{}}`},
		{`{"/a/b/c":5}`, `{"a":{}}`},
		{`{"/a":{"b":3}}`, `{"a":{"b":3}}`},
		{`{"/":{"a":{"b":3}}}`, `{"a":{"b":3}}`},
		{`{"/a":{"op":"push","new":1}}`, `{"a":[1]}`},
		{`{"/a/b":{"op":"delete"},"/a/b ":2}`, `{"a":{"b ":2}}`},
		{`{"/a/b":{"op":"observe","url":"x"}}`, `{"a":{}}`},
	}
	for _, tt := range tests {
		m := New(10)
		write(t, m, `[{"/a/b":`+set+`}]`)
		write(t, m, `[`+tt.write+`]`)
		require.Equal(t, tt.want, seen(m, 5000), tt.write)
		require.Equal(t, tt.want, restored(t, snapshotOf(t, m.State())).AsOf(testTime+5000).Read([]string{"/"}).String())
	}
}

func TestLifetimeArguments(t *testing.T) {
	m := New(10)
	for raw, want := range map[string]string{
		`"ttl":0`:                               `{}`,
		`"ttl":-5`:                              `{}`,
		`"ttl":0.25`:                            `{"a":1}`,
		`"ttl":1e300`:                           `{"a":1}`,
		`"ttl":9223372036854775807`:             `{"a":1}`,
		`"ttl":10,"epoch_millis":1699999989999`: `{}`,
		`"ttl":10,"epoch_millis":1699999999999`: `{"a":1}`,
		`"epoch_millis":1`:                      `{"a":1}`,
	} {
		o := apply(t, m, `[{"/a":{"op":"set","new":1,`+raw+`}}]`)[0]
		require.NoError(t, o.Reason, raw)
		require.Equal(t, want, o.State.Read([]string{"/"}).String(), raw)
	}
	for _, raw := range []string{
		`"ttl":"1"`, `"ttl":null`, `"ttl":18446744073709551615`, `"ttl":1,"epoch_millis":"x"`,
		`"ttl":1,"epoch_millis":-1`, `"ttl":1,"epoch_millis":9223372036854775807`, `"ttl":1,"epoch_millis":[]`,
	} {
		require.ErrorIs(t, apply(t, m, `[{"/a":{"op":"set","new":1,`+raw+`}}]`)[0].Reason, ErrMalformed, raw)
	}
}

// What is written again where an expiring value vanished with its parent does
// not inherit the end of that value.
func TestLifetimeEndsWithTheParent(t *testing.T) {
	for _, op := range []string{`{"op":"push","new":1}`, `{"op":"increment"}`, `{"op":"delete"}`, `{"op":"set","new":{}}`} {
		m := New(10)
		write(t, m, `[{"/a/b":{"op":"set","new":1,"ttl":1}}]`)
		write(t, m, `[{"/a":`+op+`}]`)
		write(t, m, `[{"/a/b":{"op":"increment"}}]`)
		require.Equal(t, `{"a":{"b":1}}`, seen(m, 5000), op)
	}
}

// The clock never goes back, whatever a new leader's says.
func TestTimeDoesNotRunBackwards(t *testing.T) {
	m := New(10)
	applyAt(t, m, testTime, `[{"/a":{"op":"set","new":1,"ttl":1}}]`)
	applyAt(t, m, testTime+1000, `[{"/b":1}]`)
	applyAt(t, m, testTime-50_000, `[{"/c":1}]`)
	require.Equal(t, `{"b":1,"c":1}`, seen(m, -60_000))
	entries, _ := m.State().Log(3)
	require.EqualValues(t, testTime+1000, entries[0].Timestamp)
}

// Plan does not change while it is frozen, not by expiry either. The lock
// itself may expire.
func TestExpiryWaitsForTheFreeze(t *testing.T) {
	m := New(10)
	write(t, m, `[{"/arango/Plan/x":{"op":"set","new":1,"ttl":1},"/arango/Other":{"op":"set","new":1,"ttl":1}}]`)
	write(t, m, `[{"/arango/Target/HotBackup/Create":{"op":"set","new":"t","ttl":5}}]`)
	require.Equal(t, `{"arango":{"Plan":{"x":1},"Target":{"HotBackup":{"Create":"t"}}}}`, seen(m, 2000))
	require.Equal(t, `{"arango":{"Plan":{},"Target":{"HotBackup":{}}}}`, seen(m, 5000))

	applyAt(t, m, testTime+2000, `[{"/z":1}]`)
	require.Contains(t, seen(m, 2000), `"x":1`)
	applyAt(t, m, testTime+6000, `[{"/z":2}]`)
	entries, _ := m.State().Log(4)
	require.Equal(t, []string{"/arango/Target/HotBackup/Create", "/arango/Plan/x"}, entries[0].Expired)
}
