package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/history"
)

// forge makes a history by hand, and judges states that are made by hand.
type forge struct {
	t testing.TB
	*load
	ids int
}

// forged begins a history of a workload without a cluster.
func forged(t testing.TB, name string) *forge {
	w, err := New(Spec{Name: name}, history.New())
	require.NoError(t, err)
	f := &forge{t: t, load: w.(*load)}
	f.label, f.collection = name, "lab-"+name
	return f
}

func raw(t testing.TB, v any) json.RawMessage {
	r, err := json.Marshal(v)
	require.NoError(t, err)
	return r
}

// begin begins an operation of a process.
func (f *forge) begin(process int, kind, key string, value json.RawMessage) *history.Call {
	c, err := f.h.Begin(history.Op{Workload: f.label, Client: process, Process: process, Kind: kind, Key: key, Value: value})
	require.NoError(f.t, err)
	return c
}

// asked is a write of one document that has begun.
type asked struct {
	*history.Call
	id  string
	doc json.RawMessage
}

// ask begins to write the version n, which follows that with the id before.
func (f *forge) ask(process int, kind, key string, n int, before string, fields map[string]any) asked {
	f.ids++
	a := asked{id: fmt.Sprintf("%d.%d", process, f.ids)}
	doc := map[string]any{"_key": key, "id": a.id}
	if n > 0 {
		doc["n"] = n
	}
	for name, value := range fields {
		doc[name] = value
	}
	a.doc = raw(f.t, doc)
	a.Call = f.begin(process, kind, key, raw(f.t, written{before, a.doc}))
	return a
}

func (a asked) ok() asked {
	a.End(history.OK, nil, nil)
	return a
}

func (a asked) refused() asked {
	a.End(history.Fail, nil, errors.New("refused"))
	return a
}

func (a asked) unknown() asked {
	a.End(history.Info, nil, errors.New("no answer"))
	return a
}

// see is a read that saw a document, or nothing.
func (f *forge) see(process int, key string, doc json.RawMessage) {
	f.begin(process, history.Read, key, nil).End(history.OK, doc, nil)
}

// cut is a cut that was asked for now and returned at once.
func (f *forge) cut() Cut { return Cut{f.h.Now(), f.h.Now()} }

// holds demands that a state has no problem.
func (f *forge) holds(found State, cut Cut) Findings {
	f.t.Helper()
	got, err := f.judge(found, cut, true)
	require.NoError(f.t, err)
	require.Empty(f.t, got.Problems)
	require.LessOrEqual(f.t, got.Earliest, got.Latest)
	return got
}

// violates demands a problem.
func (f *forge) violates(found State, cut Cut, want string) {
	f.t.Helper()
	got, err := f.judge(found, cut, true)
	require.NoError(f.t, err)
	require.Contains(f.t, fmt.Sprint(got.Problems), want)
}
