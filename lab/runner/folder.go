package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// Files in the folder of a run.
const (
	fileRequest    = "request.json"
	fileScenario   = "scenario.yaml"
	fileVerdict    = "verdict.json"
	fileEvents     = "events.jsonl"
	fileHistory    = "history.jsonl"
	fileLog        = "log.txt"
	fileOutput     = "output.txt"     // of the child, on standard error
	fileGoroutines = "goroutines.txt" // of a run that the watchdog has ended, or that has left some
	dirData        = "data"           // of the cluster; removed
)

// envFolder names the folder of a run, for the child.
const envFolder = "STASIS_LAB_RUN"

// request is what a child is asked for.
type request struct {
	Job
	Program string `json:"program,omitempty"`
}

func prepare(folder string, r request) error {
	if err := os.RemoveAll(folder); err != nil { // of an earlier run
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, fileScenario), r.Source, 0o600); err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, fileRequest), r)
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// keepOut keeps what a run leaves if it is asked for, and returns where it is.
func keepOut(folder string, keep bool, v any) (string, error) {
	if !keep {
		return "", os.RemoveAll(folder)
	}
	return folder, writeJSON(filepath.Join(folder, fileVerdict), v)
}

// removeData removes the data of a cluster. Its servers may be ending still: they end with their parent.
func removeData(folder string) (err error) {
	for range 50 {
		if err = os.RemoveAll(filepath.Join(folder, dirData)); err == nil {
			return nil
		}
		<-time.After(100 * time.Millisecond)
	}
	return err
}
