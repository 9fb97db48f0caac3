package scenario

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// kindsOfOperations are the verbs that begin operations, with the names that events have for them.
var kindsOfOperations = map[string]string{
	"backup": "create", "restore": "restore", "delete": "delete", "verify": "verify", "upload": "upload", "download": "download",
}

// OperationOf is the operation that an action begins; ok is false if it begins none.
func OperationOf(a Action) (o Operation, ok bool) {
	kind, ok := kindsOfOperations[a.Verb]
	if !ok {
		return Operation{}, false
	}
	o = Operation{Label: a.Verb + "-" + a.Args["name"], Kind: kind, Backup: a.Args["name"], On: a.Args["coordinator"], Line: a.Line}
	if a.Verb == "backup" {
		o.Label = o.Backup
	}
	if l := a.Args["label"]; l != "" {
		o.Label = l
	}
	if o.On == "" {
		o.On = "coordinator-1"
	}
	return o, true
}

// begins notes the operation that an action begins.
func (r *reader) begins(a Action) {
	o, ok := OperationOf(a)
	if !ok {
		return
	}
	for _, before := range r.operations {
		if before.Label == o.Label {
			r.add(a.Line, "%s: there is an operation %s already, on line %d: give this one a label of its own, as %s", quote(a.Text), quote(o.Label), before.Line, quote(a.Text+" as "+o.Label+"2"))
			return
		}
		if before.Kind == "create" && o.Kind == "create" && before.Backup == o.Backup {
			r.add(a.Line, "%s: there is a backup %s already, on line %d: backups have different names", quote(a.Text), quote(o.Backup), before.Line)
			return
		}
	}
	if slices.Contains(reserved, o.Label) {
		r.add(a.Line, "%s: %s is a word of the language: choose another name", quote(a.Text), quote(o.Label))
	}
	r.operations = append(r.operations, o)
}

// Operations are the operations that the scenario begins, in its order.
func (s *Scenario) Operations() []Operation {
	var all []Operation
	for _, step := range s.Do {
		for _, a := range step.Actions {
			if o, ok := OperationOf(a); ok {
				all = append(all, o)
			}
		}
	}
	return all
}

// Labels are the operations that a list names: "both" and "all" are resolved.
func (s *Scenario) Labels(list string) []string {
	named := OperationsIn(list)
	if slices.Contains(named, "both") || slices.Contains(named, "all") {
		named = nil
		for _, o := range s.Operations() {
			named = append(named, o.Label)
		}
	}
	return named
}

// whenOf is the moment that a form of [Whens] stands for.
func whenOf(f Form, args map[string]string, text string) When {
	w := When{Text: text}
	switch f.Name {
	case "at":
		at := Time(args["time"])
		w.At, w.Mixed = &at, args["shuffled"] != ""
	case "every":
		w.Every, w.Until = Time(args["time"]), Time(args["until"])
		at := w.Every
		if args["from"] != "" {
			at = Time(args["from"])
		}
		w.At = &at
	case "when", "when event", "when some":
		w.Event = &Moment{
			Operations: OperationsIn(args["operations"]), Step: args["step"], On: args["server"], Passed: Count(args["count"]),
			From: args["first"], Before: args["last"],
		}
	case "after", "later":
		w.After, w.Later, w.Ends, w.Mixed = OperationsIn(args["operations"]), Time(args["time"]), endingOf(args), args["shuffled"] != ""
	}
	return w
}

// endingOf is the ending that a sentence asks for.
func endingOf(args map[string]string) Ending {
	switch {
	case args[string(Fails)] != "":
		return Fails
	case args[string(Succeeds)] != "":
		return Succeeds
	}
	return Ends
}

// Time is the time that an argument stands for; 0 if there is none.
func Time(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil { // the parser lets times alone through
		return 0
	}
	return d
}

// Count is the number that an argument stands for; 0 if there is none.
func Count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil { // the parser lets numbers alone through
		return 0
	}
	return n
}

// Amount is the amount of bytes that a text such as 64KiB stands for; ok is false if it is none.
func Amount(text string) (bytes int64, ok bool) {
	return Bytes(text), amount.MatchString(text) && isCount(text[:strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })])
}

// Bytes is the amount that an argument stands for; 0 if there is none.
func Bytes(text string) int64 {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	unit := map[string]int64{"B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 1_000_000, "MiB": 1 << 20}[text[digits:]]
	return int64(Count(text[:digits])) * unit
}
