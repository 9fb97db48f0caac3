package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/history"
	"stasis/lab/verdict"
)

// The folder of a run that is kept has the history of each workload for elle-cli, in parts if there was a restore.
func TestExportedHistories(t *testing.T) {
	folder := t.TempDir()
	require.Empty(t, export(folder), "without a history there is nothing to export")
	file, err := os.Create(filepath.Join(folder, fileHistory))
	require.NoError(t, err)
	h := history.Open(history.Options{Stream: file})
	note := func(kind, value, result string) {
		c, err := h.Begin(history.Op{Workload: "append", Kind: kind, Value: json.RawMessage(value)})
		require.NoError(t, err)
		c.End(history.OK, json.RawMessage(result), nil)
	}
	note(history.Setup, `{"spec":{"name":"append","clients":1},"collection":"c"}`, `null`)
	note(history.Restored, `{}`, `{"x":{"n":1,"id":"1.1","list":[7]}}`)
	require.NoError(t, h.Flush())
	require.NoError(t, file.Close())
	require.Empty(t, export(folder))
	text, err := os.ReadFile(filepath.Join(folder, "history-append.after-restore-1.edn"))
	require.NoError(t, err)
	require.Contains(t, string(text), `:type :ok, :f :txn, `)
	require.Contains(t, string(text), `:value [[:append "x" 7]]}`)
	require.FileExists(t, filepath.Join(folder, "history-append.edn"))
	require.Len(t, export(folder), 1, "it says that the files are there")
}

// A run that was violated and could not be made to its end shows both.
func TestViolatedAndBrokenIsShown(t *testing.T) {
	r := Result{Job: Job{Scenario: "s"}, Verdict: verdict.Verdict{Outcome: verdict.Passed}}
	r.Verdict.Break("no disk")
	r.Verdict.Violate(verdict.Violation{Check: "one instant", Text: "torn"})
	require.Contains(t, r.Line(), "violated")
	require.Equal(t, []string{"besides, the run could not be made to its end: no disk", "one instant: torn"}, r.wrong())
	require.True(t, r.bad())
	require.Equal(t, verdict.Violated, Summarize([]Result{r}, 0).Outcome())
}
