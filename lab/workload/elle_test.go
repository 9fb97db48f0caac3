package workload

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/history"
)

// restoredLists is a history of append lists with a restore in it. Moments are seconds apart.
func restoredLists(t *testing.T) *forge {
	tick := func() { time.Sleep(time.Second) }
	list := func(l ...int) map[string]any { return map[string]any{"list": l} }
	f := forged(t, "append")
	require.NoError(t, f.note(history.Setup, setup{f.spec, f.collection}, nil))
	x1 := f.ask(1, "append", "x", 1, "", list(2))
	tick()
	x1.ok()
	lost := f.ask(1, "append", "x", 2, x1.id, list(2, 3)) // in the backup, and its client does not know
	asked := f.h.Now()
	tick()
	lost.unknown()
	y1 := f.ask(2, "append", "y", 1, "", list(4)) // not in it
	tick()
	cut := Cut{asked, f.h.Now()}
	y1.ok()
	f.see(2, "y", y1.doc)
	late := f.ask(2, "append", "z", 1, "", list(5)) // it may be done after the restore
	tick()
	late.unknown()
	f.ask(3, "append", "z", 1, "", list(6)) // no answer at all
	tick()
	require.NoError(t, f.note(history.Restored, restoredNote(cut), State{"x": lost.doc}))
	tick()
	f.see(4, "y", nil) // what the restore took back is gone
	f.ask(4, "append", "x", 3, lost.id, list(2, 3, 7)).refused()
	return f
}

const listsBefore = `{:index 0, :type :invoke, :f :txn, :process 1, :time 0, :value [[:append "x" 2]]}
{:index 1, :type :ok, :f :txn, :process 1, :time 1000000000, :value [[:append "x" 2]]}
{:index 2, :type :invoke, :f :txn, :process 1, :time 1000000000, :value [[:append "x" 3]]}
{:index 3, :type :invoke, :f :txn, :process 5, :time 1000000000, :value [[:r "x" nil] [:r "y" nil] [:r "z" nil]]}
{:index 4, :type :info, :f :txn, :process 1, :time 2000000000, :value [[:append "x" 3]]}
{:index 5, :type :invoke, :f :txn, :process 2, :time 2000000000, :value [[:append "y" 4]]}
{:index 6, :type :ok, :f :txn, :process 5, :time 3000000000, :value [[:r "x" [2 3]] [:r "y" []] [:r "z" []]]}
{:index 7, :type :ok, :f :txn, :process 2, :time 3000000000, :value [[:append "y" 4]]}
{:index 8, :type :invoke, :f :txn, :process 2, :time 3000000000, :value [[:r "y" nil]]}
{:index 9, :type :ok, :f :txn, :process 2, :time 3000000000, :value [[:r "y" [4]]]}
{:index 10, :type :invoke, :f :txn, :process 2, :time 3000000000, :value [[:append "z" 5]]}
{:index 11, :type :info, :f :txn, :process 2, :time 4000000000, :value [[:append "z" 5]]}
{:index 12, :type :invoke, :f :txn, :process 3, :time 4000000000, :value [[:append "z" 6]]}
{:index 13, :type :info, :f :txn, :process 3, :time 4000000000, :value [[:append "z" 6]]}
`

const listsAfter = `{:index 0, :type :invoke, :f :txn, :process 2, :time 3000000000, :value [[:append "z" 5]]}
{:index 1, :type :info, :f :txn, :process 2, :time 4000000000, :value [[:append "z" 5]]}
{:index 2, :type :invoke, :f :txn, :process 3, :time 4000000000, :value [[:append "z" 6]]}
{:index 3, :type :invoke, :f :txn, :process 6, :time 5000000000, :value [[:append "x" 2] [:append "x" 3]]}
{:index 4, :type :ok, :f :txn, :process 6, :time 5000000000, :value [[:append "x" 2] [:append "x" 3]]}
{:index 5, :type :invoke, :f :txn, :process 4, :time 6000000000, :value [[:r "y" nil]]}
{:index 6, :type :ok, :f :txn, :process 4, :time 6000000000, :value [[:r "y" []]]}
{:index 7, :type :invoke, :f :txn, :process 4, :time 6000000000, :value [[:append "x" 7]]}
{:index 8, :type :fail, :f :txn, :process 4, :time 6000000000, :value [[:append "x" 7]]}
{:index 9, :type :info, :f :txn, :process 3, :time 6000000000, :value [[:append "z" 6]]}
`

const listsAfterJSON = `[{"index":0,"type":"invoke","f":"txn","process":2,"time":3000000000,"value":[["append","z",5]]},
{"index":1,"type":"info","f":"txn","process":2,"time":4000000000,"value":[["append","z",5]]},
{"index":2,"type":"invoke","f":"txn","process":3,"time":4000000000,"value":[["append","z",6]]},
{"index":3,"type":"invoke","f":"txn","process":6,"time":5000000000,"value":[["append","x",2],["append","x",3]]},
{"index":4,"type":"ok","f":"txn","process":6,"time":5000000000,"value":[["append","x",2],["append","x",3]]},
{"index":5,"type":"invoke","f":"txn","process":4,"time":6000000000,"value":[["r","y",null]]},
{"index":6,"type":"ok","f":"txn","process":4,"time":6000000000,"value":[["r","y",[]]]},
{"index":7,"type":"invoke","f":"txn","process":4,"time":6000000000,"value":[["append","x",7]]},
{"index":8,"type":"fail","f":"txn","process":4,"time":6000000000,"value":[["append","x",7]]},
{"index":9,"type":"info","f":"txn","process":3,"time":6000000000,"value":[["append","z",6]]}]
`

// The files that elle-cli gets, to the letter: a history with a restore is two, and each has a writer for all that is read in it.
func TestExportedFiles(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := restoredLists(t)
		for ext, want := range map[string][]string{".edn": {listsBefore, listsAfter}, ".json": {"", listsAfterJSON}} {
			files, without, err := ExportFiles(f.h, filepath.Join(dir, "h"+ext), false)
			require.NoError(t, err)
			require.Empty(t, without)
			require.Equal(t, []ExportedFile{
				{filepath.Join(dir, "h"+ext), "list-append", 0}, {filepath.Join(dir, "h.after-restore-1"+ext), "list-append", 1},
			}, files)
			for i, text := range want {
				got, err := os.ReadFile(files[i].Path)
				require.NoError(t, err)
				if text != "" {
					require.Equal(t, text, string(got))
				}
			}
		}
		_, _, err := ExportFiles(f.h, filepath.Join(dir, "h.edn"), false)
		require.ErrorContains(t, err, "h.edn is there: remove it, or name another file")
		require.ErrorContains(t, ExportTo("h.txt"), "want a name that ends with .edn or .json")
		there := filepath.Join(t.TempDir(), "h.edn")
		require.NoError(t, ExportTo(there))
		require.NoError(t, os.WriteFile(there, nil, 0o600))
		require.ErrorContains(t, ExportTo(there), there+" is there: remove it, or name another file")
	})
}

// Of registers a restore writes what is there, and a backup is one read of all of them. Names tell workloads apart, and what has
// no model is named.
func TestExportOfSeveralWorkloads(t *testing.T) {
	f := forged(t, "register")
	require.NoError(t, f.note(history.Setup, setup{f.spec, f.collection}, nil))
	x := f.set(1, "x").ok()
	cut := f.cut()
	y := f.set(1, "y").ok()
	require.NoError(t, f.note(history.Restored, restoredNote(cut), State{"x": x.doc}))
	f.ask(1, swap, "x", 0, x.id, nil).ok()
	f.see(1, "y", nil)
	other := forged(t, "schema")
	other.h = f.h
	require.NoError(t, other.note(history.Setup, setup{other.spec, other.collection}, nil))
	third := forged(t, "counter")
	third.h = f.h
	require.NoError(t, third.note(history.Setup, setup{third.spec, third.collection}, nil))

	all, without, err := Export(f.h)
	require.NoError(t, err)
	require.Equal(t, []string{"schema"}, without)
	require.Len(t, all, 3)
	values := func(e Exported) (all []any) {
		for _, event := range e.Events {
			if event.Type != "invoke" {
				all = append(all, event.Value)
			}
		}
		return all
	}
	read := func(key string, value any) any { return micro("r", key, value)[0] }
	write := func(key, value string) any { return micro("w", key, value)[0] }
	require.Equal(t, []any{
		[]any{write("x", x.id)}, []any{read("x", x.id), read("y", nil)}, []any{write("y", y.id)},
	}, values(all[0]))
	require.Equal(t, []any{
		[]any{write("x", x.id)}, []any{read("x", x.id), write("x", "1.3")}, []any{read("y", nil)},
	}, values(all[1]))
	require.Equal(t, []any{"register", 0, "register", 1, "counter", 0}, []any{all[0].Workload, all[0].Restores, all[1].Workload, all[1].Restores, all[2].Workload, all[2].Restores})
	files, _, err := ExportFiles(f.h, filepath.Join(t.TempDir(), "history.edn"), false)
	require.NoError(t, err)
	require.Equal(t, "history-register.after-restore-1.edn", filepath.Base(files[1].Path))
	require.Equal(t, "history-counter.edn", filepath.Base(files[2].Path))
}

// A write that was done after a restore, and before the clients saw what was restored, is not in the backup: its read leaves
// that document out, and the part after the restore begins with it.
func TestExportOfALateWrite(t *testing.T) {
	f := forged(t, "append")
	require.NoError(t, f.note(history.Setup, setup{f.spec, f.collection}, nil))
	x := f.ask(1, "append", "x", 1, "", map[string]any{"list": []int{2}}).ok()
	cut := f.cut()
	y := f.ask(2, "append", "y", 1, "", map[string]any{"list": []int{3}}).unknown()
	z := f.ask(3, "append", "z", 1, "", map[string]any{"list": []int{4}}).ok() // a backup that has it is none
	require.NoError(t, f.note(history.Restored, restoredNote(cut), State{"x": x.doc, "y": y.doc, "z": z.doc}))
	all, _, err := Export(f.h)
	require.NoError(t, err)
	ends := func(e Exported) (ends []any) {
		for _, event := range e.Events {
			if event.Type != "invoke" {
				ends = append(ends, event.Value)
			}
		}
		return ends
	}
	read := func(key string, values ...any) any { return micro("r", key, values)[0] }
	require.Contains(t, ends(all[0]), []any{read("x", 2), read("z", 4)})
	require.Equal(t, []any{[]any{micro("append", "x", 2)[0], micro("append", "y", 3)[0], micro("append", "z", 4)[0]}}, ends(all[1]))
}
