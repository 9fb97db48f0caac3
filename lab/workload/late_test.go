package workload

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/history"
)

// A write whose outcome is unknown may be done after a restore. What came before it, and was acknowledged, is gone with the restore:
// that is no hole, and no version that is missing.
func TestLateWriteAfterARestore(t *testing.T) {
	link := func(n int) map[string]any { return map[string]any{"process": 2, "number": n} }
	f := forged(t, "chain")
	first := f.ask(2, "insert", "2-1", 1, "", link(1)).ok()
	one := f.ask(1, "update", "1", 1, "", link(1)).ok()
	cut := f.cut()
	f.ask(2, "insert", "2-2", 1, "", link(2)).ok()
	two := f.ask(1, "update", "1", 2, one.id, link(2)).ok()
	late := f.ask(2, "insert", "2-3", 1, "", link(3)).unknown()
	three := f.ask(1, "update", "1", 3, two.id, link(3)).unknown()
	base := State{"2-1": first.doc, "1": one.doc}
	require.NoError(t, f.note(history.Restored, restoredNote(cut), base))
	f.holds(base, f.cut())
	f.holds(State{"2-1": first.doc, "1": one.doc, "2-3": late.doc}, f.cut())
	f.holds(State{"2-1": first.doc, "1": three.doc}, f.cut())
	f.holds(State{"2-1": first.doc, "1": three.doc, "2-3": late.doc}, f.cut())
	f.violates(State{"2-1": first.doc, "1": two.doc}, f.cut(), "has written no such thing") // it was taken back, and was not unknown

	fourth := f.ask(4, "insert", "4-1", 1, "", map[string]any{"process": 4, "number": 1}).ok()
	fifth := f.ask(4, "insert", "4-2", 1, "", map[string]any{"process": 4, "number": 2}).ok()
	f.violates(State{"2-1": first.doc, "1": one.doc, "4-2": fifth.doc}, f.cut(), "a hole in the chain of process 4")
	f.holds(State{"2-1": first.doc, "1": three.doc, "2-3": late.doc, "4-1": fourth.doc, "4-2": fifth.doc}, f.cut())
	f.violates(State{"1": one.doc, "2-3": late.doc, "4-1": fourth.doc, "4-2": fifth.doc}, f.cut(), "missing: restored state 2.1 of 2-1")
}
