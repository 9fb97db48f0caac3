package fsm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const lockedTree = `{"arango":{"Plan":{"Version":1,"Databases":{"d":{}}},"Current":{},` +
	`"Target":{"HotBackup":{"Create":"2026","Holder":{"nonce":"n1"}}}}}`

func TestFreeze(t *testing.T) {
	const set = `{"op":"set","new":1}`
	const nonce = `"/arango/Target/HotBackup/Holder/nonce"`
	tests := []struct {
		ops, pre string
		refused  bool
	}{
		{`{"/arango/Plan":` + set + `}`, `{}`, true},
		{`{"arango//Plan/Version/":{"op":"increment"}}`, `{}`, true},
		{`{"/arango/Plan/a/b/c":{"op":"delete"}}`, `{}`, true},
		{`{"/arango":{}}`, `{}`, true},
		{`{"/":{"op":"delete"}}`, `{}`, true},
		{`{"/arango/Plan":{"op":"observe","url":"u"}}`, `{}`, true},
		{`{"/arango/Current/x":1,"/arango/Plan/x":1}`, `{}`, true},
		{`{"/arango/Planner":1,"/arango/Pla":1,"/arango/Current":1,"/Plan":1,"/arango/Target/x":1}`, `{}`, false},
		{`{"/arango/Target/HotBackup/Create":{"op":"delete"}}`, `{}`, false},
		{`{"/arango/Target/HotBackup/Create":{"op":"delete"},"/arango/Plan/x":1}`, `{}`, true},
		{`{"/arango/Plan/x":1}`, `{` + nonce + `:"n1"}`, false},
		{`{"/arango/Plan/x":1}`, `{` + nonce + `:{"old":"n1"}}`, false},
		{`{"/arango/Plan/x":1}`, `{"arango/Target//HotBackup/Holder/nonce/":{"old":"n1","isArray":false}}`, false},
		{`{"/arango/Plan/x":1}`, `{` + nonce + `:{"oldEmpty":false}}`, true},
		{`{"/arango/Plan/x":1}`, `{` + nonce + `:{"oldNot":"n2"}}`, true},
		{`{"/arango/Plan/x":1}`, `{"/arango/Target/HotBackup/Holder":{"old":{"nonce":"n1"}}}`, true},
		{`{"/arango/Plan/x":1}`, `{"/arango/Target/HotBackup/Create":"2026"}`, true},
	}
	for _, tt := range tests {
		m := machineWith(t, lockedTree)
		before := m.State()
		o := apply(t, m, `[`+tt.ops+`,`+tt.pre+`]`)[0]
		if !tt.refused {
			require.NoError(t, o.Reason, "%s %s", tt.ops, tt.pre)
			continue
		}
		require.ErrorIs(t, o.Reason, ErrFrozen, "%s %s", tt.ops, tt.pre)
		require.ErrorIs(t, o.Reason, ErrPrecondition, "the freeze is a precondition")
		require.Equal(t, []string{"/arango/Target/HotBackup/Create"}, o.Failed)
		require.Same(t, before.Root(), m.State().Root())
	}
}

// A nonce counts only if it is the holder's and is a string with something in it.
func TestFreezeWithAnEmptyNonce(t *testing.T) {
	for stored, shown := range map[string]string{
		`""`:   `""`,
		`{}`:   `{"old":{}}`,
		`5`:    `5`,
		`"n1"`: `"n2"`,
		`null`: `null`,
	} {
		m := machineWith(t, lockedTree)
		write(t, m, `[{"/arango/Target/HotBackup/Holder/nonce":`+stored+`}]`)
		o := apply(t, m, `[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":`+shown+`}]`)[0]
		require.NotEmpty(t, o.Failed, "who shows no nonce changes a frozen Plan: %s", stored)
	}
	m := machineWith(t, `{"arango":{"Target":{"HotBackup":{"Create":null}}}}`)
	require.ErrorIs(t, apply(t, m, `[{"/arango/Plan":1},{"/arango/Target/HotBackup/Holder/nonce":{"old":{}}}]`)[0].Reason, ErrFrozen)
}

// The freeze holds from the very index that wrote the lock to the one that
// deleted it: within one command too.
func TestFreezeBeginsAndEndsWithTheLock(t *testing.T) {
	m := machineWith(t, `{"arango":{"Plan":{"v":1}}}`)
	require.Equal(t, []uint64{2, 3, 0, 4, 5}, indices(apply(t, m,
		`[{"/arango/Plan/v":2}]`,
		`[{"/arango/Target/HotBackup/Create":"t","/arango/Plan/v":3}]`,
		`[{"/arango/Plan/v":4}]`,
		`[{"/arango/Target/HotBackup":{"op":"delete"}}]`,
		`[{"/arango/Plan/v":5}]`)))
	require.Equal(t, `5`, m.State().Root().At("/arango/Plan/v").String())
}

// The holder thaws Plan and keeps the lock: from that index on Plan changes, by
// expiry too. A thaw that belongs to another lock, or to none, thaws nothing.
func TestThawUnderTheLock(t *testing.T) {
	for thawed, frozen := range map[string]bool{`"2026"`: false, `"2027"`: true, `true`: true, `null`: true, `{}`: true} {
		m := machineWith(t, lockedTree)
		out := apply(t, m,
			`[{"/arango/Target/HotBackup/Holder/thawed":`+thawed+`,"/arango/Plan/x":1}]`,
			`[{"/arango/Target/HotBackup/Holder/thawed":`+thawed+`},{"/arango/Target/HotBackup/Create":"2026","/arango/Target/HotBackup/Holder/nonce":"n1"}]`,
			`[{"/arango/Plan/x":1}]`)
		require.ErrorIs(t, out[0].Reason, ErrFrozen, "not in the same transaction")
		require.NoError(t, out[1].Reason)
		require.Equal(t, frozen, Frozen(m.State().Root()), thawed)
		require.Equal(t, frozen, out[2].Reason != nil, thawed)
		// The lock of a tool that does not know of holders: the leftover thaws nothing.
		write(t, m, `[{"/arango/Target/HotBackup/Create":"2028"}]`)
		require.True(t, Frozen(m.State().Root()))
		require.ErrorIs(t, apply(t, m, `[{"/arango/Plan/x":2}]`)[0].Reason, ErrFrozen)
	}
	m := machineWith(t, `{"arango":{"Plan":{},"Target":{"HotBackup":{"Create":null}}}}`)
	require.True(t, Frozen(m.State().Root()), "a thaw that is not there is no null")
}

// Whatever is written while the lock exists, and however much time passes,
// Plan's bytes are those at the lock, unless the nonce was shown.
func TestRandomTransactionsDoNotChangeAFrozenPlan(t *testing.T) {
	paths := rapid.Custom(func(t *rapid.T) string {
		full := []string{"arango", rapid.SampledFrom([]string{"Plan", "Plan", "Target/HotBackup/Create", "Target", "Current"}).Draw(t, "room")}
		full = append(full, rapid.SliceOfN(drawSegment, 0, 2).Draw(t, "below")...)
		return strings.Repeat("/", rapid.IntRange(0, 2).Draw(t, "slashes")) +
			strings.Join(full[:rapid.IntRange(0, len(full)).Draw(t, "cut")], "//")
	})
	rapid.Check(t, func(rt *rapid.T) {
		m := New(10)
		write(rt, m, `[{"/arango/Plan":{"a":{"b":[1]},"c":"x"},"/arango/Plan/t":{"op":"set","new":1,"ttl":5},"/arango":{"op":"set","new":{},"ttl":9}}]`)
		write(rt, m, `[{"/arango/Target/HotBackup":{"Create":"t","Holder":{"nonce":"n1"}}}]`)
		plan := m.State().Root().At("/arango/Plan").String()
		now, shown := int64(testTime), 0
		for range rapid.IntRange(1, 20).Draw(rt, "transactions") {
			ops := rapid.SliceOfNDistinct(drawOp, 1, 3, func(o modelOp) string { return o.path }).Draw(rt, "ops")
			for i := range ops {
				ops[i].path = paths.Draw(rt, "path")
			}
			pre := rapid.SampledFrom([]string{
				`{}`, `{}`, `{"/arango/Target/HotBackup/Holder/nonce":{"oldNot":"n1"}}`, `{"/arango/Target/HotBackup/Holder/nonce":"no"}`,
				`{"/arango/Target/HotBackup/Holder/nonce":"n1"}`,
			}).Draw(rt, "pre")
			now += rapid.Int64Range(0, 3000).Draw(rt, "passes")
			o := applyAt(rt, m, now, transactionText(ops, pre, ""))[0]
			if o.Index > 0 && strings.Contains(pre, `:"n1"`) {
				shown++
				plan = o.State.Root().At("/arango/Plan").String()
			}
			if !o.State.Root().At("/arango/Target/HotBackup/Create").Exists() {
				return
			}
			require.Equal(rt, plan, o.State.Root().At("/arango/Plan").String())
			require.Equal(rt, plan, m.State().AsOf(now+100_000).Root().At("/arango/Plan").String())
		}
	})
}

// A large change of Plan is the holder's only if it shows the nonce that is there.
func TestByHolder(t *testing.T) {
	m := New(8)
	free := m.State().Root()
	write(t, m, `[{"/arango/Target/HotBackup/Create":"t","/arango/Target/HotBackup/Holder":{"nonce":"secret"}}]`)
	root := m.State().Root()
	by := func(raw string, root *Node) bool { return ByHolder([]byte(raw), root) }
	require.True(t, by(`[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":"secret"}]`, root))
	require.False(t, by(`[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":"secret"}]`, free), "there is no lock")
	require.False(t, by(`[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":"guess"}]`, root), "the nonce is wrong, and the change is taken for the holder's")
	require.False(t, by(`[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":{"oldNot":"x"}}]`, root))
	require.False(t, by(`[{"/arango/Plan/x":1}]`, root))
	for _, raw := range []string{`{}`, `[]`, `[1,2]`, `[{},1]`, `[{"/arango/Plan":1},{"a":{"old":1,"old":2}}]`} {
		require.False(t, by(raw, root), raw)
	}
	require.False(t, by(`[{"/other":1},{"/arango/Target/HotBackup/Holder/nonce":"secret"}]`, root), "no change of Plan")
	write(t, m, `[{"/arango/Target/HotBackup/Holder/nonce":{"op":"delete"}}]`)
	require.False(t, by(`[{"/arango/Plan/x":1},{"/arango/Target/HotBackup/Holder/nonce":{"old":{}}}]`, m.State().Root()), "a lock without nonce has no holder")
}

func TestBelow(t *testing.T) {
	require.True(t, tx(t, `[{"/a/b":1,"/c":2}]`).Below("/a", "/c"))
	require.False(t, tx(t, `[{"/a/b":1,"/cc":2}]`).Below("/a", "/c"))
	require.False(t, tx(t, `[{"/":1}]`).Below("/a"))
}

func TestOnly(t *testing.T) {
	for raw, want := range map[string]string{`[1]`: "1", ` [ [1,2] ] `: "[1,2]", `[]`: "", `[1,2]`: "", `{}`: "", `[1`: "", `7`: ""} {
		got, ok := Only([]byte(raw))
		require.Equal(t, want != "", ok, raw)
		if ok {
			require.Equal(t, want, string(got))
		}
	}
}
