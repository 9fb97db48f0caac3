package workload

import (
	"maps"
	"slices"
)

// kinds are the workloads by name.
var kinds = map[string]struct {
	make func() kind
	text string
}{
	"all-or-nothing": {func() kind { return halves{} },
		"clients write documents with two halves that say the same: both are there or neither; each is written by itself"},
	"append": {func() kind { return &lists{} },
		"clients append to lists, each a document: nothing acknowledged is missing, nothing is twice or refused and there, and all who read a list saw the same order"},
	"appends": {func() kind { return &appends{} },
		"transactions of one to five operations read lists of two collections and append to them: of the anomalies that Elle knows there are none but those that the isolation level allows (G-single, G2), and of each transaction all appends are there or none"},
	"bank": {func() kind { return bank{} },
		"clients move money between accounts: take from one, and once that is acknowledged give to another; money is lost from sight only while it is on its way"},
	"counter": {func() kind { return counter{} },
		"clients add to counters: a count is at least what was acknowledged and at most what was begun"},
	"chain": {func() kind { return chain{} },
		"each client writes one numbered document after the other, half of them new ones across all shards, half one and the same: what is there is the beginning of each chain, without a hole"},
	"documents": {func() kind { return documents{} },
		"clients insert, read, write over, replace and remove documents, some only if they have the revision that was read: an order of the operations has to explain all answers (Porcupine finds it), and one moment the state"},
	"links": {func() kind { return links{} },
		"each transaction reads the head of a chain, inserts the next link into one of three collections, and lets the head point to it: no chain has a gap, or a link that its head does not know"},
	"register": {func() kind { return register{} },
		"clients read registers, write them, and replace what they have read: an order of the operations has to explain all that was seen (Porcupine finds it), and one moment the state"},
	"schema": {func() kind { return schema{} },
		"clients create and drop collections: those are there whose creation was acknowledged, and none whose creation had not begun or that was dropped"},
	"together": {func() kind { return together{} },
		"each transaction writes one value into a document of each of four collections: all four have it, or none"},
	"transfers": {func() kind { return transfers{} },
		"each transaction moves money between accounts of two collections: the total of all accounts is always the same"},
}

// About says what a workload does, for people.
type About struct {
	Name     string
	Text     string
	Defaults Spec
	Skewed   bool   // it knows skew
	Model    string // of elle-cli, for the exported history; "": none
}

// List describes all workloads, sorted by name.
func List() []About {
	var all []About
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[name].make()
		defaults := k.knows()
		skewed := defaults.Skew != 0
		defaults.Name, defaults.Skew = name, 0
		model, _ := k.translate()
		all = append(all, About{Name: name, Text: kinds[name].text, Defaults: defaults, Skewed: skewed, Model: model})
	}
	return all
}
