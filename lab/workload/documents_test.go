package workload

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/lab/history"
)

// answered ends a write with what the document answered.
func (a asked) answered(answer string) asked {
	a.End(history.OK, []byte(fmt.Sprintf("%q", answer)), nil)
	return a
}

// remove begins to remove a document.
func (f *forge) remove(process int, key string) asked {
	return asked{Call: f.begin(process, gone, key, raw(f.t, written{}))}
}

// What a document answers to each change depends on whether it is there, and on what was read of it.
func TestAnswersOfDocuments(t *testing.T) {
	const nothing, same, other = "nothing", "what was read", "something else"
	for kind, wants := range map[string]map[string]string{
		blindly: {nothing: "", same: "", other: ""},
		fresh:   {nothing: "", same: exists, other: exists},
		over:    {nothing: absent, same: "", other: ""},
		gone:    {nothing: absent, same: "", other: ""},
		swap:    {nothing: absent, same: "", other: differs},
	} {
		for there, want := range wants {
			for _, answer := range []string{"", exists, absent, differs} {
				t.Run(fmt.Sprintf("%s of %s, answered %q", kind, there, answer), func(t *testing.T) {
					f := forged(t, "documents")
					x1 := f.set(1, "x").ok()
					state, before := State{"x": x1.doc}, x1.id
					switch there {
					case nothing:
						f.remove(1, "x").ok()
						state = State{}
					case other:
						state["x"] = f.set(1, "x").ok().doc
					}
					var asked asked
					if kind == gone {
						asked = f.remove(2, "x").answered(answer)
					} else {
						asked = f.ask(2, kind, "x", 0, before, nil).answered(answer)
					}
					switch {
					case answer != "":
					case kind == gone:
						state = State{}
					default:
						state = State{"x": asked.doc}
					}
					if answer == want {
						f.holds(state, f.cut())
					} else {
						f.violates(state, f.cut(), "what clients saw of x has no order")
					}
				})
			}
		}
	}
}

// A change without an answer may have been refused, so the next answer may be either.
func TestUnknownChangesOfDocuments(t *testing.T) {
	f := forged(t, "documents")
	x1 := f.set(1, "x").ok()
	f.remove(1, "x").unknown()
	f.holds(State{"x": x1.doc}, f.cut())
	f.holds(State{}, f.cut())
	x2 := f.ask(2, fresh, "x", 0, "", nil).ok()
	f.violates(State{}, f.cut(), "x has nothing")
	f.holds(State{"x": x2.doc}, f.cut())
	f.ask(3, fresh, "x", 0, "", nil).answered(exists)
	f.holds(State{"x": x2.doc}, f.cut())
}

// Only what a document answers is an answer: every other error is a refusal, or unknown.
func TestAnswersAreTakenOutOfErrors(t *testing.T) {
	other := &client.Error{Status: http.StatusConflict, Number: 1200}
	for _, c := range []struct {
		err    error
		answer any
	}{
		{nil, nil},
		{&client.Error{Status: http.StatusNotFound, Number: documentMissing}, absent},
		{&client.Error{Status: http.StatusConflict, Number: keyTaken}, exists},
		{&client.Error{Status: http.StatusPreconditionFailed, Number: 1200}, differs},
		{other, nil},
		{errors.New("no answer"), nil},
	} {
		answer, err := answerOf(c.err)
		require.Equal(t, c.answer, answer, "%v", c.err)
		if c.answer == nil {
			require.Equal(t, c.err, err)
		} else {
			require.NoError(t, err)
		}
	}
}
