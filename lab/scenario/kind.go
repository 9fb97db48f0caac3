package scenario

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is a kind of argument: what the words in capitals in a [Form] stand for.
type Kind struct {
	Name    string // "TIME"
	Want    string // for errors: "a time such as 50ms"
	About   string // for the reference
	accepts func(words []token) bool
	pattern string // a regular expression for the schema
}

var (
	labels      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.|-]*$`)
	path        = regexp.MustCompile(`^/?[A-Za-z_][A-Za-z0-9_./*:=?&-]*$`)
	remote      = regexp.MustCompile(`^lab:[A-Za-z0-9_-]+$`)
	amount      = regexp.MustCompile(`^[0-9]+(?:B|kB|KiB|MB|MiB)$`)
	labelRegexp = `[A-Za-z0-9][A-Za-z0-9_.-]*`
	timeRegexp  = `(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+`
)

func one(accepts func(text string) bool) func([]token) bool {
	return func(words []token) bool { return len(words) == 1 && !words[0].quoted && accepts(words[0].text) }
}

func quoted(words []token) bool { return len(words) == 1 && words[0].quoted && words[0].text != "" }

func oneOf(all ...string) func([]token) bool {
	return one(func(text string) bool { return slices.Contains(all, text) })
}

func isTime(text string) bool {
	d, err := time.ParseDuration(text)
	return err == nil && d >= 0
}

func isSignedTime(text string) bool {
	_, err := time.ParseDuration(text)
	return err == nil
}

func isCount(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n <= 1_000_000
}

func isPercent(text string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	return err == nil && n >= 0 && n <= 100 && strings.HasSuffix(text, "%")
}

// reserved are words that end a list of operations, or stand for one.
var reserved = []string{"and", "all", "are", "both", "fail", "fails", "hold", "holds", "is", "not", "shuffled", "some", "succeed", "succeeds"}

// operationList accepts a, a|b, a b, a, b, a and b.
func operationList(words []token) bool {
	for i, w := range words {
		separator := w.text == "," || w.text == "and"
		if w.quoted || separator && (i == 0 || i == len(words)-1) || !separator && !operationNames(w.text) {
			return false
		}
	}
	return len(words) > 0
}

func operationNames(word string) bool {
	return word == "both" || word == "all" || labels.MatchString(word) && !slices.Contains(reserved, word)
}

// OperationsIn are the labels in a list of operations, "both" and "all" as they stand.
func OperationsIn(list string) []string {
	all := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' || r == '|' })
	return slices.DeleteFunc(all, func(s string) bool { return s == "and" })
}

// CallsOf are the calls to a disk that faults can be about, as package fault names their kinds.
var CallsOf = []string{"changes", "creates", "writes", "syncs", "renames", "links", "removes", "mkdirs", "opens", "reads", "lists", "stats", "any"}

// Kinds are all kinds of arguments, in the order of the reference.
func Kinds() []Kind {
	return append([]Kind{
		{"NAME", "the name of a backup", "the label of a backup: the end of its id", one(label.MatchString), labelRegexp},
		{"LABEL", "a name for the operation", "by which an operation is known to the scenario", one(label.MatchString), labelRegexp},
		{"OPERATIONS", "operations such as a|b", "labels of operations: `a|b`, `a b`, `a, b`, `both`, `all`. `backup a` is the operation a, `restore a` is restore-a, and so on, unless `as` gives another label", operationList, `[A-Za-z0-9_.|, -]+?`},
		{"STEP", `a step in quotes such as "cut"`, "a step in quotes, as events name it", quoted, `"[^"]+"`},
		{"FIRST", `a step in quotes such as "cut"`, "the first step of those that can be chosen", quoted, `"[^"]+"`},
		{"LAST", `a step in quotes such as "cut"`, "the step before which those end that can be chosen", quoted, `"[^"]+"`},
		{"TEXT", "a text in quotes, or the number of an error", "a part of an error's message in quotes, or its number", func(w []token) bool { return quoted(w) || one(isCount)(w) }, `(?:"[^"]+"|[0-9]+)`},
		{"TIME", "a time such as 50ms", "a time: 50ms, 1.5s, 2m", one(isTime), timeRegexp},
		{"FROM", "a time such as 50ms", "a time since the load has begun", one(isTime), timeRegexp},
		{"UNTIL", "a time such as 50ms", "a time since the load has begun", one(isTime), timeRegexp},
		{"DEADLINE", "a time such as 50ms", "a time", one(isTime), timeRegexp},
		{"OFFSET", "a time such as 1h or -1h", "a time that may be negative", one(isSignedTime), `-?` + timeRegexp},
		{"COUNT", "a number above 0", "a number", one(isCount), `[0-9]+`},
		{"TIMES", "a number above 0", "a number", one(isCount), `[0-9]+`},
		{"PERCENT", "a part such as 50%", "a part in the hundred", one(isPercent), `[0-9]+%`},
		{"AMOUNT", "an amount such as 64KiB", "an amount of bytes: 512B, 64KiB, 1MiB; also of each second", one(amount.MatchString), `[0-9]+(?:B|kB|KiB|MB|MiB)`},
		{"COLLECTION", "the name of a collection", "the name of a collection: a workload's is its own name", one(label.MatchString), labelRegexp},
		{"REMOTE", "a place at the remote such as lab:backups", "a place at the remote storage of the lab, which is empty at first", one(remote.MatchString), `lab:[A-Za-z0-9_-]+`},
		{"PATH", "the beginning of a path such as /_api/document or raft/AppendEntries", "the beginning of a path of HTTP, or raft/ and the name of a call", one(path.MatchString), `/?[A-Za-z_][A-Za-z0-9_./*:=?&-]*`},
		{"CALLS", strings.Join(CallsOf, ", "), "calls to a disk: " + strings.Join(CallsOf, ", "), oneOf(CallsOf...), `(?:` + strings.Join(CallsOf, "|") + `)`},
		{"WHICH", "requests or answers", "what is lost: the request, or the answer to a request that is done", oneOf("requests", "answers"), `(?:requests|answers)`},
		{"MODE", "transactions or commits", "a lock mode: `transactions` waits until no transaction is open that has written, `commits` until none commits", oneOf("transactions", "commits"), `(?:transactions|commits)`},
		{"ROLE", "write or read", "writes or reads of clients", oneOf("write", "read"), `(?:write|read)`},
	}, serverKinds()...)
}

// serverKinds are the kinds that name servers.
func serverKinds() []Kind {
	const want = "a server such as dbserver-2 or its coordinator"
	const list = `[a-z0-9'_., -]+?`
	return []Kind{
		{"A", want, "one or several servers: `dbserver-1, dbserver-2`", serverList, list},
		{"B", want, "one or several servers", serverList, list},
		{"SERVER", want, "a server", oneServer, list},
		{"COORDINATOR", "a coordinator such as coordinator-1", "the coordinator that is asked; without it coordinator-1", oneServer, list},
	}
}

// byName are the kinds by their names: reading a scenario asks for them very often.
var byName = sync.OnceValue(func() map[string]Kind {
	all := map[string]Kind{}
	for _, k := range Kinds() {
		all[k.Name] = k
	}
	return all
})

func kindOf(name string) Kind {
	k, ok := byName()[name]
	if !ok {
		panic("scenario: no kind " + name) // the forms are constants: a test reads each
	}
	return k
}
