package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"stasis/fsm"
)

// FuzzBodies: whatever a client sends, an envelope is either refused as a bad
// request, or every element has its place: a query, a slot of its own in order,
// or no slot at all. What reaches the log can be encoded, decoded and applied.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`[[{"a":1}]]`, `[[{"a":{"op":"set","new":1,"ttl":2}},{"a":{"old":1}},"id"],["a"],[]]`, `[]`, `null`, `[[null]]`, `[["a",null]]`,
		`[[{".agency":1}],[{},{},{},{}]]`, "[ [\t{ } ] , [ \"\" ] ]", `[[{"a/b":{"c/d":[{"e/f":1}]}}]]`, `{"a":1}`, `[[{"a":1e400}]]`, `[[{"\ud800":1}]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for name, parse := range map[string]func([]byte) (envelope, error){"write": parseWrite, "transact": parseTransact} {
			e, err := parse(raw)
			if err != nil {
				var plain plainError
				if !errors.As(err, &plain) || plain.status != http.StatusBadRequest {
					t.Fatalf("%s: %v is no bad request", name, err)
				}
				continue
			}
			checkEnvelope(t, e)
		}
		if items, err := list(raw); err == nil {
			for _, item := range items {
				if paths, err := parseQuery(item); err == nil {
					fsm.New(1).State().Read(paths)
				}
			}
		}
	})
}

func checkEnvelope(t *testing.T, e envelope) {
	t.Helper()
	next := 0
	for _, el := range e.elements {
		switch {
		case el.slot == next && el.query == nil:
			next++
		case el.slot != -1:
			t.Fatalf("slot %d instead of %d", el.slot, next)
		}
	}
	if next != len(e.transactions) {
		t.Fatalf("%d slots for %d transactions", next, len(e.transactions))
	}
	command, err := fsm.DecodeCommand(fsm.Command{Time: 1, Transactions: e.transactions}.Encode())
	if err != nil {
		t.Fatalf("decode what was encoded: %v", err)
	}
	machine := fsm.New(10)
	for _, o := range machine.Apply(1, command) {
		var entries entryList
		if entries.node(o.State.Read(o.Failed)); !json.Valid(entries.end()) {
			t.Fatalf("no JSON: %s", entries.end())
		}
	}
	if _, err := json.Marshal(machine.State().Root()); err != nil {
		t.Fatalf("encode the tree: %v", err)
	}
}
