package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"stasis/lab/history"
	"stasis/lab/workload"
)

// exportHelp says what programs do with an exported history.
const exportHelp = `With --export the history is also written for elle-cli, which knows nothing of Stasis and
looks for anomalies of its own: workload append in its model list-append, all others but
schema in rw-register. Every operation is a transaction on one document:

  java -jar elle-cli-…-standalone.jar --model list-append FILE

It prints true, false or unknown. The consistency model is its default,
strict-serializable. If the history has a restore, which a run of "stasis lab" can have,
what came after the n-th is in FILE.after-restore-n beside FILE: what a restore took
back is no anomaly. Check each file for itself.`

// exportHistory writes a history for elle-cli, and says how to check it.
func exportHistory(out io.Writer, h *history.History, path string) error {
	files, without, err := workload.ExportFiles(h, path, false)
	for _, f := range files {
		fmt.Fprintf(out, "exported: elle-cli --model %s %s\n", f.Model, f.Path)
	}
	if len(without) > 0 {
		fmt.Fprintf(out, "not exported: %s: elle-cli has no model of it\n", strings.Join(without, ", "))
	}
	return err
}

// parseHistory reads a history.
func parseHistory(path string) (*history.History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer file.Close()
	return readHistory(file)
}

func readHistory(file *os.File) (*history.History, error) {
	h, err := history.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return h, nil
}
