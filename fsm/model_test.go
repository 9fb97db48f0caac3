package fsm

import (
	"encoding/json"
	"fmt"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the key tree once more, as simple as it can be written: maps that
// are changed in place after a deep copy, numbers as fractions.
type model struct{ root any }

// modelValue turns JSON into map[string]any, []any, string, bool, nil and
// *big.Rat. Outside arrays slashes in keys split.
func modelValue(raw string) any {
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return modelConvert(v, true)
}

func modelConvert(v any, split bool) any {
	switch v := v.(type) {
	case json.Number:
		if r, _ := new(big.Rat).SetString(v.String()); r.IsInt() && !strings.ContainsAny(v.String(), ".eE") &&
			(r.Num().IsInt64() || r.Num().IsUint64()) {
			return r
		}
		f, _ := v.Float64()
		return new(big.Rat).SetFloat64(f)
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, modelConvert(item, false))
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, kid := range v {
			at := object
			segs := []string{key}
			if split {
				segs = modelPath(key)
			}
			for _, seg := range segs[:len(segs)-1] {
				if at[seg] == nil {
					at[seg] = map[string]any{}
				}
				at = at[seg].(map[string]any)
			}
			at[segs[len(segs)-1]] = modelConvert(kid, split)
		}
		return object
	}
	return v
}

func modelPath(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// modelText is a canonical text, so values are equal if their texts are.
func modelText(v any) string {
	switch v := v.(type) {
	case *big.Rat:
		return v.RatString()
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, modelText(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		var parts []string
		for key, kid := range v {
			parts = append(parts, strconv.Quote(key)+":"+modelText(kid))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

func (m model) find(path string) (v any, ok bool) {
	v = m.root
	for _, seg := range modelPath(path) {
		object, isObject := v.(map[string]any)
		if !isObject {
			return nil, false
		}
		if v, ok = object[seg]; !ok {
			return nil, false
		}
	}
	return v, true
}

func (m *model) set(path string, v any) {
	segs := modelPath(path)
	if len(segs) == 0 {
		m.root = v
		return
	}
	if _, ok := m.root.(map[string]any); !ok {
		m.root = map[string]any{}
	}
	at := m.root.(map[string]any)
	for _, seg := range segs[:len(segs)-1] {
		if _, ok := at[seg].(map[string]any); !ok {
			at[seg] = map[string]any{}
		}
		at = at[seg].(map[string]any)
	}
	at[segs[len(segs)-1]] = v
}

func (m *model) remove(path string) {
	segs := modelPath(path)
	if len(segs) == 0 {
		m.root = map[string]any{}
		return
	}
	parent, _ := m.find(strings.Join(segs[:len(segs)-1], "/"))
	if object, ok := parent.(map[string]any); ok {
		delete(object, segs[len(segs)-1])
	}
}

// modelOp is an operation as the test made it: its path, its name ("" stores new)
// and the JSON text of its attributes.
type modelOp struct{ path, name, new, val, by, pos, len, step string }

func (o modelOp) json() string {
	if o.name == "" {
		return o.new
	}
	text := `{"op":"` + o.name + `"`
	for _, a := range [][2]string{{"new", o.new}, {"val", o.val}, {"by", o.by}, {"pos", o.pos}, {"len", o.len}, {"step", o.step}} {
		if a[1] != "" {
			text += `,"` + a[0] + `":` + a[1]
		}
	}
	return text + "}"
}

// element converts what goes into an array.
func element(raw string) any { return modelValue("[" + raw + "]").([]any)[0] }

// apply changes the model; false if the operation fails.
func (m *model) apply(o modelOp) bool {
	old, exists := m.find(o.path)
	list, _ := old.([]any)
	put := func(items []any) { m.set(o.path, append([]any{}, items...)) }
	switch o.name {
	case "", "set":
		m.set(o.path, modelValue(o.new))
	case "delete":
		m.remove(o.path)
	case "increment", "decrement":
		return m.count(o, old)
	case "push":
		put(append(list, element(o.new)))
	case "push-queue":
		n, _ := strconv.Atoi(o.len)
		if n < 0 {
			return false
		}
		items := append(append([]any{}, list...), element(o.new))
		for len(items) > n {
			items = items[1:]
		}
		put(items)
	case "prepend":
		put(append([]any{element(o.new)}, list...))
	case "pop":
		if len(list) > 0 {
			list = list[:len(list)-1]
		}
		put(list)
	case "shift":
		if len(list) > 0 {
			list = list[1:]
		}
		put(list)
	case "erase", "replace":
		if (o.name == "erase") && (o.pos == "") == (o.val == "") {
			return false
		}
		if !exists {
			return true
		}
		var items []any
		for i, item := range list {
			hit := o.pos == strconv.Itoa(i) || o.val != "" && modelText(item) == modelText(element(o.val))
			switch {
			case hit && o.name == "replace":
				items = append(items, element(o.new))
			case !hit:
				items = append(items, item)
			}
		}
		put(items)
	case "read-lock", "read-unlock", "write-lock", "write-unlock":
		return m.lock(o, old, exists)
	}
	return true
}

func (m *model) count(o modelOp, old any) bool {
	sum := new(big.Rat)
	if r, ok := old.(*big.Rat); ok && r.IsInt() && (r.Num().IsInt64() || r.Num().IsUint64()) {
		sum.Set(r)
	}
	step := element(o.step).(*big.Rat)
	if o.name == "decrement" {
		sum.Sub(sum, step)
	} else {
		sum.Add(sum, step)
	}
	m.set(o.path, sum)
	return sum.Num().IsInt64() || sum.Num().IsUint64()
}

func (m *model) lock(o modelOp, old any, exists bool) bool {
	by := element(o.by)
	open := !exists || modelText(old) == "{}"
	list, isList := old.([]any)
	var rest []any
	strings := true
	for _, item := range list {
		_, isString := item.(string)
		strings = strings && isString
		if item := item; modelText(item) != modelText(by) {
			rest = append(rest, item)
		}
	}
	held := len(rest) < len(list)
	switch o.name {
	case "read-lock":
		m.set(o.path, append(append([]any{}, list...), by))
		return open || isList && strings && !held
	case "read-unlock":
		m.set(o.path, rest)
		if len(rest) == 0 {
			m.remove(o.path)
		}
		return held
	case "write-lock":
		m.set(o.path, by)
		return open
	default:
		m.remove(o.path)
		return !exists || modelText(old) == modelText(by)
	}
}

// transact applies all operations in order of path, or none.
func (m *model) transact(ops []modelOp) bool {
	copied := modelValueOf(m.root)
	backup := m.root
	m.root = copied
	ops = append([]modelOp{}, ops...)
	sort.Slice(ops, func(i, j int) bool {
		return strings.Join(modelPath(ops[i].path), "/") < strings.Join(modelPath(ops[j].path), "/")
	})
	for _, o := range ops {
		if !m.apply(o) {
			m.root = backup
			return false
		}
	}
	return true
}

func modelValueOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := map[string]any{}
		for key, kid := range v {
			c[key] = modelValueOf(kid)
		}
		return c
	case []any:
		c := []any{}
		for _, item := range v {
			c = append(c, modelValueOf(item))
		}
		return c
	}
	return v
}

// Generators of odd things in odd places.
var (
	drawSegment = rapid.SampledFrom([]string{"a", "b", "c", "a b", ".h", "ä", "\u2028", `\`, "a!", "0", "日本"})
	drawPath    = rapid.Custom(func(t *rapid.T) string {
		path := rapid.SampledFrom([]string{"", "/", "//"}).Draw(t, "start")
		for _, seg := range rapid.SliceOfN(drawSegment, 0, 3).Draw(t, "segments") {
			path += seg + rapid.SampledFrom([]string{"/", "//", "/"}).Draw(t, "slash")
		}
		return path
	})
	drawScalar = rapid.SampledFrom([]string{
		`null`, `true`, `false`, `0`, `1`, `1.0`, `-0.0`, `-1`, `2.5`, `1e3`, `1e300`, `"x"`, `"y"`, `""`, `"\u00e4\ud83d\ude00"`, `"\u0000\n"`,
		`9223372036854775807`, `9223372036854775808`, `18446744073709551615`, `18446744073709551616`, `-9223372036854775808`, `1e19`, `5e-324`,
	})
	drawValue = rapid.Custom(func(t *rapid.T) string { return drawJSON(t, 2, true) })
	drawBy    = rapid.SampledFrom([]string{`"x"`, `"y"`})
	drawOp    = rapid.Custom(func(t *rapid.T) modelOp {
		o := modelOp{path: drawPath.Draw(t, "path")}
		o.name = rapid.SampledFrom([]string{
			"", "", "set", "delete", "increment", "decrement", "push", "push-queue", "prepend", "pop", "shift",
			"erase", "replace", "read-lock", "read-unlock", "write-lock", "write-unlock",
		}).Draw(t, "op")
		switch o.name {
		case "", "set", "push", "prepend":
			o.new = drawValue.Draw(t, "new")
		case "push-queue":
			o.new, o.len = drawValue.Draw(t, "new"), strconv.Itoa(rapid.IntRange(-1, 3).Draw(t, "len"))
		case "increment", "decrement":
			o.step = rapid.SampledFrom([]string{"1", "-3", "2.0", "9223372036854775807", "18446744073709551615"}).Draw(t, "step")
		case "erase":
			if rapid.Bool().Draw(t, "by value") {
				o.val = drawScalar.Draw(t, "val")
			}
			if o.val == "" || rapid.IntRange(0, 9).Draw(t, "both") == 0 {
				o.pos = strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "pos"))
			}
		case "replace":
			o.val, o.new = drawScalar.Draw(t, "val"), drawValue.Draw(t, "new")
		case "read-lock", "read-unlock", "write-lock", "write-unlock":
			o.by = drawBy.Draw(t, "by")
		}
		return o
	})
	drawOps = rapid.Custom(func(t *rapid.T) []modelOp {
		return rapid.SliceOfNDistinct(drawOp, 1, 4, func(o modelOp) string {
			return strings.Join(modelPath(o.path), "/")
		}).Draw(t, "ops")
	})
)

func drawJSON(t *rapid.T, depth int, split bool) string {
	shape := 0
	if depth > 0 {
		shape = rapid.IntRange(0, 4).Draw(t, "shape")
	}
	switch shape {
	case 1, 2:
		keys := rapid.SliceOfNDistinct(drawSegment, 0, 3, rapid.ID).Draw(t, "keys")
		var parts []string
		for i, key := range keys {
			if split && i > 0 && rapid.Bool().Draw(t, "deep") {
				key = "/" + key + "//" + key
			}
			if !split && i == 0 {
				key = rapid.SampledFrom([]string{"", "/", "a/b"}).Draw(t, "opaque key")
			}
			quoted, _ := json.Marshal(key)
			parts = append(parts, string(quoted)+": "+drawJSON(t, depth-1, split))
		}
		return "{" + strings.Join(parts, " ,") + "}"
	case 3:
		var parts []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			parts = append(parts, drawJSON(t, depth-1, false))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return drawScalar.Draw(t, "scalar")
}

func transactionText(ops []modelOp, pre, client string) string {
	var parts []string
	for _, o := range ops {
		path, _ := json.Marshal(o.path)
		parts = append(parts, string(path)+":"+o.json())
	}
	text := "[{" + strings.Join(parts, ",") + "}," + pre
	if client != "" {
		text += `,"` + client + `"`
	}
	return text + "]"
}

// Random transactions leave the same tree and the same result as the model; the
// log replays to that tree from every state that it reaches back to; a snapshot
// somewhere in between, with the rest applied, is the same bytes at the end.
func TestRandomTransactionsAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m, plain := New(8), model{root: map[string]any{}}
		var copied *Machine
		cached, at := m.State().Root(), uint64(0)
		for i := range rapid.IntRange(1, 25).Draw(rt, "transactions") {
			ops := drawOps.Draw(rt, "ops")
			pre, met := "{}", true
			if rapid.Bool().Draw(rt, "conditional") {
				path, old := drawPath.Draw(rt, "pre"), drawValue.Draw(rt, "old")
				quoted, _ := json.Marshal(path)
				pre = `{` + string(quoted) + `:{"old":` + old + `}}`
				found, ok := plain.find(path)
				if !ok {
					found = map[string]any{}
				}
				met = modelText(found) == modelText(modelValue(old))
			}
			text := transactionText(ops, pre, rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "client"))
			command := Command{Time: int64(i), Transactions: []Transaction{tx(rt, text)}}
			outcome := m.Apply(uint64(i), command)[0]

			applied := met && plain.transact(ops)
			require.Equal(rt, applied, outcome.Index > 0, "%s on %s: %v", text, m.State().Root(), outcome.Reason)
			require.Equal(rt, !met, len(outcome.Failed) > 0, text)
			require.Equal(rt, modelText(plain.root), modelText(modelConvert(modelValue("[" + tree(m) + "]").([]any)[0], false)), text)
			again, err := Parse([]byte(tree(m)))
			require.NoError(rt, err)
			require.True(rt, Equal(again, m.State().Root()))

			if rapid.Bool().Draw(rt, "poll") {
				entries, ok := m.State().Log(at + 1)
				if !ok {
					cached = m.State().Root()
				}
				for _, e := range entries {
					cached = Replay(cached, e)
				}
				at = m.State().Index()
				require.True(rt, Equal(cached, m.State().Root()), "%s instead of %s", cached, m.State().Root())
			}
			if copied != nil {
				decoded, err := DecodeCommand(command.Encode())
				require.NoError(rt, err)
				copied.Apply(uint64(i), decoded)
			} else if rapid.IntRange(0, 5).Draw(rt, "snapshot") == 0 {
				copied = New(8)
				copied.Reset(restored(rt, snapshotOf(rt, m.State())))
			}
		}
		if copied != nil {
			require.Equal(rt, snapshotOf(rt, m.State()), snapshotOf(rt, copied.State()))
			require.Equal(rt, m.State().Inquire("p"), copied.State().Inquire("p"))
		}
	})
}
