package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/bubbles"
)

// In virtual time everything happens at one instant; what came first is known nevertheless.
func TestMomentsOfOneInstantHaveAnOrder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		h := New()
		a, err := h.Begin(Op{Kind: "put"})
		require.NoError(t, err)
		before := h.Now()
		first := a.End(OK, nil, nil)
		b, err := h.Begin(Op{Kind: "put"})
		require.NoError(t, err)
		second := b.End(Fail, nil, errors.New("refused"))
		require.Equal(t, first.End, second.Begin)
		require.Less(t, first.BeginOrder, before.Order)
		require.Less(t, before.Order, first.EndOrder)
		require.Less(t, first.EndOrder, second.BeginOrder)
		require.Equal(t, []Op{first, second}, h.Ops())
		require.Equal(t, "refused", second.Error)
		require.Equal(t, Tally{Begun: 2, OK: 1, Fail: 1}, h.Tally())
	})
}

// Many clients at once: orders are unique, an end comes after its begin, and moments never go back.
func TestManyClients(t *testing.T) {
	var file bytes.Buffer
	h := Open(Options{Stream: &file})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for range 200 {
				c, err := h.Begin(Op{Client: i, Process: i, Kind: "put", Value: json.RawMessage(`{"a":1}`)})
				if err != nil {
					t.Error(err)
				}
				c.End(OK, nil, nil)
			}
		})
	}
	clients.Wait()
	seen := map[uint64]bool{}
	ops := h.Ops()
	require.Len(t, ops, 1600)
	for i, o := range ops {
		require.False(t, seen[o.BeginOrder] || seen[o.EndOrder])
		seen[o.BeginOrder], seen[o.EndOrder] = true, true
		require.Less(t, o.BeginOrder, o.EndOrder)
		require.LessOrEqual(t, o.Begin, o.End)
		require.True(t, i == 0 || ops[i-1].BeginOrder < o.BeginOrder && ops[i-1].Begin <= o.Begin)
	}
	again, err := Parse(&file)
	require.NoError(t, err)
	require.Equal(t, ops, again.Ops())
	require.Equal(t, h.Tally(), again.Tally())
	require.Greater(t, again.Now().Order, ops[len(ops)-1].EndOrder, "it goes on after what was read")
	require.GreaterOrEqual(t, again.Now().At, ops[len(ops)-1].End)
}

// Wherever a file is cut off, it has every operation whose Begin had returned.
func TestAFileIsWholeWhereverItIsCutOff(t *testing.T) {
	var file bytes.Buffer
	h := Open(Options{Stream: &file, Forget: true})
	var ends []int
	for i := range 5 {
		c, err := h.Begin(Op{Process: i, Kind: "put", Key: "k"})
		require.NoError(t, err)
		ends = append(ends, file.Len())
		c.End(OK, nil, nil)
	}
	require.Empty(t, h.Ops())
	require.Equal(t, 5, h.Tally().OK)
	raw := file.Bytes()
	first := bytes.IndexByte(raw, '\n') + 1
	for n := first; n <= len(raw); n++ {
		got, err := Parse(bytes.NewReader(raw[:n]))
		require.NoError(t, err, n)
		want := 0
		for want < len(ends) && ends[want] <= n {
			want++
		}
		require.GreaterOrEqual(t, len(got.Ops()), want)
		for _, o := range got.Ops() {
			require.True(t, o.EndOrder > 0 && o.Outcome == OK || o.EndOrder == 0 && o.Outcome == Info)
		}
	}
}

// What an operation asks for is amended before it has an effect: wherever the file is cut off after that, it is there. What has ended
// is not amended any more.
func TestAmend(t *testing.T) {
	var file bytes.Buffer
	h := Open(Options{Stream: &file})
	c, err := h.Begin(Op{Kind: "txn", Value: json.RawMessage(`"plan"`)})
	require.NoError(t, err)
	before := file.Len()
	require.NoError(t, c.Amend(json.RawMessage(`"whole"`)))
	cut := file.Len()
	op := c.End(OK, nil, nil)
	require.JSONEq(t, `"whole"`, string(op.Value))
	require.Equal(t, []Op{op}, h.Ops())
	for n, want := range map[int]string{before: `"plan"`, cut: `"whole"`, file.Len(): `"whole"`} {
		again, err := Parse(bytes.NewReader(file.Bytes()[:n]))
		require.NoError(t, err)
		require.JSONEq(t, want, string(again.Ops()[0].Value))
		require.GreaterOrEqual(t, again.Now().Order, uint64(2))
	}
	_, err = Parse(strings.NewReader(file.String() + `{"amend":4,"of":1,"value":1}` + "\n"))
	require.ErrorIs(t, err, ErrFormat)
	full := Open(Options{Stream: &failing{after: 1}})
	c, err = full.Begin(Op{})
	require.NoError(t, err)
	require.ErrorIs(t, c.Amend(json.RawMessage(`1`)), io.ErrShortWrite, "nothing may be sent")
}

// A moment of the history is found by the wall clock, also in a file.
func TestMomentsByTheWallClock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		time.Sleep(time.Second)
		var file bytes.Buffer
		h := Open(Options{Stream: &file})
		began := time.Now()
		time.Sleep(time.Second)
		c, err := h.Begin(Op{Kind: "put"})
		require.NoError(t, err)
		time.Sleep(time.Second)
		c.End(OK, nil, nil)
		again, err := Parse(&file)
		require.NoError(t, err)
		for _, h := range []*History{h, again} {
			require.Zero(t, h.Last(began.Add(999*time.Millisecond)))
			require.Equal(t, Moment{At: time.Second, Order: 1}, h.Last(began.Add(time.Second)))
			require.Equal(t, Moment{At: time.Second, Order: 1}, h.Last(began.Add(1999*time.Millisecond)))
			require.Equal(t, Moment{At: 2 * time.Second, Order: 2}, h.Last(began.Add(time.Hour)))
		}
	})
}

// An operation that was refused or is unknown has kept its client waiting like any other, and so has one that goes on.
func TestLongest(t *testing.T) {
	ok := Op{Kind: "put", Key: "ok", Begin: 1, BeginOrder: 1, End: 3, EndOrder: 2, Outcome: OK}
	refused := Op{Kind: "put", Key: "refused", Begin: 2, BeginOrder: 3, End: 7, EndOrder: 4, Outcome: Fail}
	unknown := Op{Kind: "put", Key: "unknown", Begin: 3, BeginOrder: 5, End: 10, EndOrder: 6, Outcome: Info}
	open := Op{Kind: "put", Key: "open", Begin: 5, BeginOrder: 7, Outcome: Info}
	read := Op{Kind: Read, Key: "read", Begin: 0, BeginOrder: 8, End: 100, EndOrder: 9, Outcome: OK}
	for i, c := range []struct {
		ops   []Op
		key   string
		took  time.Duration
		ended string
	}{
		{[]Op{ok, read}, "ok", 2, "acknowledged"},
		{[]Op{refused, ok}, "refused", 5, "refused"},
		{[]Op{ok, unknown, refused}, "unknown", 7, "of unknown outcome"},
		{[]Op{ok, unknown, refused, open}, "open", 15, "still running"},
		{[]Op{read}, "", 0, "still running"},
	} {
		worst, took := Longest(c.ops, 20, Op.Write)
		require.Equal(t, c.key, worst.Key, i)
		require.Equal(t, c.took, took, i)
		require.Equal(t, c.ended, worst.Ended(), i)
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// A history that cannot be written says so before the next request is sent.
func TestADiskThatFails(t *testing.T) {
	h := Open(Options{Stream: &failing{after: 1}})
	c, err := h.Begin(Op{})
	require.NoError(t, err)
	c.End(OK, nil, nil)
	_, err = h.Begin(Op{})
	require.ErrorIs(t, err, io.ErrShortWrite)
	require.ErrorIs(t, h.Flush(), io.ErrShortWrite)
}

func TestWhatIsNoHistory(t *testing.T) {
	head := `{"stasis":"history","format":1,"began":"2026-01-01T00:00:00Z"}` + "\n"
	for text, want := range map[string]string{
		"":                                       "no first line",
		"{}\n":                                   "line 1",
		`{"stasis":"history","format":9}` + "\n": "its format is 9, this version reads 1 and 2",
		`{"stasis":"history","format":1}` + "\n": "when it began",
		head + "{}\n":                            "line 2",
		head + "x\n":                             "line 2",
		head + `{"end":3,"of":2}` + "\n":         "3 cannot be the end of 2",
		head + `{"amend":3,"of":2}` + "\n":       "3 cannot amend 2",
		head + `{"begin":1,"kind":"a"}` + "\n" + `{"begin":1,"kind":"a"}` + "\n": "line 3",
	} {
		_, err := Parse(strings.NewReader(text))
		require.ErrorIs(t, err, ErrFormat, text)
		require.ErrorContains(t, err, want, text)
	}
}

// The forms in which elle-cli reads histories.
func TestJepsensFormats(t *testing.T) {
	ops := []Op{
		{Process: 0, Kind: "append", Key: "x", Begin: 1, BeginOrder: 1, End: 4, EndOrder: 4, Outcome: OK},
		{Kind: Setup, BeginOrder: 9, EndOrder: 10, Outcome: OK},
		{Process: 1, Kind: Read, Key: "x", Begin: 2, BeginOrder: 2, End: 5, EndOrder: 5, Outcome: OK},
		{Process: 2, Kind: "append", Key: "x", Begin: 3, BeginOrder: 3, Outcome: Info},
	}
	as := func(o Op) (string, any, any, bool) {
		if o.Kind == Read {
			return "txn", []any{[]any{Keyword("r"), o.Key, nil}}, []any{[]any{Keyword("r"), o.Key, []any{1, 2}}}, true
		}
		v := []any{[]any{Keyword("append"), o.Key, o.Process}}
		return "txn", v, v, true
	}
	var out bytes.Buffer
	require.NoError(t, WriteEDN(&out, Events(ops, as)))
	require.Equal(t, `{:index 0, :type :invoke, :f :txn, :process 0, :time 1, :value [[:append "x" 0]]}
{:index 1, :type :invoke, :f :txn, :process 1, :time 2, :value [[:r "x" nil]]}
{:index 2, :type :invoke, :f :txn, :process 2, :time 3, :value [[:append "x" 2]]}
{:index 3, :type :ok, :f :txn, :process 0, :time 4, :value [[:append "x" 0]]}
{:index 4, :type :ok, :f :txn, :process 1, :time 5, :value [[:r "x" [1 2]]]}
{:index 5, :type :info, :f :txn, :process 2, :time 5, :value [[:append "x" 2]]}
`, out.String())
	out.Reset()
	require.NoError(t, WriteJSON(&out, Events(ops, as)))
	var read []map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.Len(t, read, 6)
	require.Equal(t, map[string]any{
		"index": 4.0, "type": "ok", "f": "txn", "process": 1.0, "time": 5.0, "value": []any{[]any{"r", "x", []any{1.0, 2.0}}},
	}, read[4])
	out.Reset()
	require.NoError(t, WriteJSON(&out, nil))
	require.JSONEq(t, "[]", out.String())
	text, err := edn(map[string]any{"b": map[int]any{2: nil, 1: true}, `a"\`: "x\n"})
	require.NoError(t, err)
	require.Equal(t, `{"a\"\\" "x\u000a", "b" {1 true, 2 nil}}`, text)
	_, err = edn(1.5)
	require.Error(t, err)
}

// Whatever is in a file, it is read or refused.
func TestAnyFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			`{"stasis":"history","format":1,"began":"2026-01-01T00:00:00Z"}`, `{"begin":1,"kind":"a"}`, `{"end":2,"of":1,"outcome":"ok"}`, `{"amend":2,"of":1,"value":{}}`, `{"begin":3,"kind":"b"}`, `[]`, `{`,
		})).Draw(t, "lines")
		h, err := Parse(strings.NewReader(strings.Join(lines, "\n") + "\n"))
		require.Equal(t, err == nil, h != nil)
	})
}
