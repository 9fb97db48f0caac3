package integration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/internal/apierror"
)

// verb is what a client asks of one document.
type verb string

const (
	read      verb = "read"
	put       verb = "put"        // insert, or replace what is there
	insert    verb = "insert"     // only if nothing is there
	replace   verb = "replace"    // only what is there
	replaceIf verb = "replace if" // only what is there in the revision that was read
	remove    verb = "remove"
)

// request is one operation on one document. Every value that is written is unique.
type request struct {
	verb  verb
	key   string
	value string // what it writes
	seen  string // replaceIf: the value in the revision that it names
}

// outcome is what the client was told.
type outcome struct {
	fate  fate
	value string // read
}

type fate string

const (
	done    fate = "done"
	absent  fate = "absent"  // 404
	exists  fate = "exists"  // 409
	differs fate = "differs" // 412
	unknown fate = "unknown" // no answer, or one that says so
	refused fate = "refused" // an answer that says that nothing was applied
	unread  fate = "unread"  // a read without an answer
)

// noAnswer is the end of a call whose outcome was never learnt.
const noAnswer = math.MaxInt64 / 2

// documents is the model: every key is a document of its own, "" if there is none.
var documents = porcupine.Model{
	Partition: func(history []porcupine.Operation) (parts [][]porcupine.Operation) {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			byKey[o.Input.(request).key] = append(byKey[o.Input.(request).key], o)
		}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		want, after := asked(state.(string), input.(request))
		got := output.(outcome)
		return got.fate == unknown || got == want, after
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

// asked is what an operation answers and leaves in a given state.
func asked(state string, r request) (outcome, string) {
	is := func(f fate) outcome { return outcome{fate: f} }
	switch {
	case r.verb == put:
		return is(done), r.value
	case r.verb == insert && state == "":
		return is(done), r.value
	case r.verb == insert:
		return is(exists), state
	case state == "":
		return is(absent), state
	case r.verb == read:
		return outcome{done, state}, state
	case r.verb == replaceIf && r.seen != state:
		return is(differs), state
	case r.verb == remove:
		return is(done), ""
	}
	return is(done), r.value
}

// recorder collects what clients saw, on one clock.
type recorder struct {
	begin time.Time
	mu    sync.Mutex
	all   []porcupine.Operation
	fates map[fate]int
}

func newRecorder() *recorder { return &recorder{begin: time.Now(), fates: map[fate]int{}} }

func (r *recorder) add(who int, in request, out outcome, call time.Time) {
	end := int64(time.Since(r.begin))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fates[out.fate]++
	switch out.fate {
	case refused, unread:
		return // nothing happened
	case unknown:
		end = noAnswer
	}
	r.all = append(r.all, porcupine.Operation{ClientId: who, Input: in, Call: int64(call.Sub(r.begin)), Output: out, Return: end})
}

// check demands that what the clients saw has an order in which it makes sense.
func (r *recorder) check(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range documents.Partition(r.all) {
		if verdict := porcupine.CheckOperationsTimeout(documents, part, 30*time.Second); verdict != porcupine.Ok {
			for _, o := range part {
				t.Logf("%d %v-%v %+v: %+v", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
			}
			require.Equal(t, porcupine.Ok, verdict, "the history of a document")
		}
	}
}

// keys are all documents that were written or read.
func (r *recorder) keys() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := map[string]bool{}
	for _, o := range r.all {
		keys[o.Input.(request).key] = true
	}
	return keys
}

// worker is one client: it sends one operation at a time.
type worker struct {
	*recorder
	number     int
	client     *client.Client
	collection string
	random     *rand.Rand
	patience   time.Duration // with one answer
	sync       bool          // waitForSync
	revisions  map[string][2]string
}

// run works on the keys that pick gives until ctx ends. An operation whose outcome is
// unknown is the last one under its number.
func (w *worker) run(ctx context.Context, pause time.Duration, pick func() string) {
	verbs := []verb{read, read, read, put, put, insert, replace, replaceIf, replaceIf, remove}
	w.revisions = map[string][2]string{}
	for n := 0; ctx.Err() == nil; n++ {
		r := request{verb: verbs[w.random.IntN(len(verbs))], key: pick(), value: fmt.Sprintf("%d.%d", w.number, n)}
		seen, known := w.revisions[r.key]
		if r.verb == replaceIf {
			r.seen = seen[0]
			if !known {
				r.verb = read
			}
		}
		if w.once(r, seen[1]).fate == unknown {
			w.number += 1000
		}
		select {
		case <-time.After(time.Duration(w.random.Int64N(int64(pause)))):
		case <-ctx.Done():
		}
	}
}

// once sends one operation and records it.
func (w *worker) once(r request, revision string) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	defer cancel()
	call := time.Now()
	out, err := w.send(ctx, r, revision)
	if err != nil {
		out = outcome{fate: fateOf(err, r.verb)}
	}
	w.add(w.number, r, out, call)
	return out
}

func (w *worker) send(ctx context.Context, r request, revision string) (outcome, error) {
	all := "/_api/document/" + w.collection
	one, options := all+"/"+r.key, fmt.Sprintf("?waitForSync=%v", w.sync)
	body := map[string]any{"_key": r.key, "value": r.value}
	send := func(method, path string, body any) (outcome, error) {
		return outcome{fate: done}, w.client.Do(ctx, method, path, body, nil)
	}
	switch r.verb {
	case put:
		return send("POST", all+options+"&overwriteMode=replace", body)
	case insert:
		return send("POST", all+options, body)
	case replace:
		return send("PUT", one+options, body)
	case replaceIf:
		body["_rev"] = revision
		return send("PUT", one+options+"&ignoreRevs=false", body)
	case remove:
		return send("DELETE", one+options, nil)
	}
	var found struct {
		Value string `json:"value"`
		Rev   string `json:"_rev"`
	}
	if err := w.client.Do(ctx, "GET", one, nil, &found); err != nil {
		return outcome{}, err
	}
	w.revisions[r.key] = [2]string{found.Value, found.Rev}
	return outcome{done, found.Value}, nil
}

// fateOf says what an error means for the document.
func fateOf(err error, v verb) fate {
	var e *apierror.Error
	switch {
	case errors.Is(err, apierror.DocumentNotFound):
		return absent
	case errors.Is(err, apierror.UniqueConstraint):
		return exists
	case errors.Is(err, apierror.Conflict):
		return differs
	case v == read:
		return unread
	case !errors.As(err, &e), e.Num == apierror.ConnectionLost, e.Num == apierror.Internal:
		return unknown
	}
	return refused
}
