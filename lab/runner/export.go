package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"stasis/lab/history"
	"stasis/lab/workload"
)

// fileExported is where the histories of workloads are for elle-cli; their names have that of the workload.
const fileExported = "history.edn"

// export writes the history of a run that is kept for elle-cli. It returns notes about what went wrong: the run is what it is
// without.
func export(folder string) []string {
	file, err := os.Open(filepath.Join(folder, fileHistory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the run was broken before it had begun
	}
	var is fs.FileInfo
	if err == nil {
		defer file.Close()
		if is, err = file.Stat(); err == nil && is.Size() == 0 {
			return nil // it was broken before its load had begun
		}
	}
	if err == nil {
		var h *history.History
		if h, err = history.Parse(file); err == nil {
			_, _, err = workload.ExportFiles(h, filepath.Join(folder, fileExported), true)
		}
	}
	if err != nil {
		return []string{"the history was not written for elle-cli: " + err.Error()}
	}
	return nil
}
