package workload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"stasis/lab/history"
)

// ExportedFile is a file for elle-cli.
type ExportedFile struct {
	Path     string
	Model    string // of elle-cli
	Restores int    // how many came before what it has
}

// ExportTo refuses a path of which [ExportFiles] cannot tell the format, and one that is there already: it is found out before anything
// else is done.
func ExportTo(path string) error {
	if _, err := exporter(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("export to %s: %w", path, isThere(path))
	}
	return nil
}

func isThere(path string) error {
	return fmt.Errorf("%s is there: remove it, or name another file", path)
}

// exporter writes in the format that a path's ending says.
func exporter(path string) (func(io.Writer, []history.Event) error, error) {
	switch ext := filepath.Ext(path); ext {
	case ".edn":
		return history.WriteEDN, nil
	case ".json":
		return history.WriteJSON, nil
	default:
		return nil, fmt.Errorf("export to %s: want a name that ends with .edn or .json, the formats that elle-cli reads", path)
	}
}

// ExportFiles writes the histories of all workloads to new files: to path, which ends with .edn or .json, what was before the first
// restore, and beside it what came after each. With named, or if there are several workloads, each name has that of the
// workload. Workloads of which elle-cli has no model are in without.
func ExportFiles(h *history.History, path string, named bool) (files []ExportedFile, without []string, err error) {
	write, err := exporter(path)
	if err != nil {
		return nil, nil, err
	}
	all, without, err := Export(h)
	if err != nil {
		return nil, nil, fmt.Errorf("export the history: %w", err)
	}
	for _, e := range all {
		named = named || e.Workload != all[0].Workload
	}
	ext := filepath.Ext(path)
	for _, e := range all {
		name := strings.TrimSuffix(path, ext)
		if named {
			name += "-" + e.Workload
		}
		if e.Restores > 0 {
			name += fmt.Sprintf(".after-restore-%d", e.Restores)
		}
		if err := writeNew(name+ext, func(w io.Writer) error { return write(w, e.Events) }); err != nil {
			return files, without, fmt.Errorf("export the history of %s: %w", e.Workload, err)
		}
		files = append(files, ExportedFile{Path: name + ext, Model: e.Model, Restores: e.Restores})
	}
	return files, without, nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return isThere(path)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(path))
	}
	return nil
}
