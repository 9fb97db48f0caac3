package runner

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"stasis/lab/verdict"
)

// IsChild reports whether this process was started to make one run.
func IsChild() bool { return os.Getenv(envFolder) != "" }

// Child makes the run that this process was started for, writes its verdict and ends the process. It is for the main
// function of programs that call [Run], and for TestMain.
func Child() { childOf(nil) }

// childOf is Child, with something else in place of the scenario if script is not nil.
func childOf(script func(context.Context, *One) verdict.Verdict) {
	folder := os.Getenv(envFolder)
	var r request
	text, err := os.ReadFile(filepath.Join(folder, fileRequest))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stasis: read what run to make:", err)
		os.Exit(1)
	}
	if err := os.Unsetenv(envFolder); err != nil { // servers that the run starts are this program too
		fmt.Fprintln(os.Stderr, "stasis:", err)
		os.Exit(1)
	}
	go withParent()
	testing.Init()
	if err := flag.CommandLine.Parse([]string{"-test.timeout=0"}); err != nil {
		fmt.Fprintln(os.Stderr, "stasis: make this process a test:", err)
		os.Exit(1)
	}
	run := testing.InternalTest{Name: "run", F: func(t *testing.T) { childRun(t, r, folder, script) }}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{run}, nil, nil)
}

// withParent ends this process with the one that started it, which holds the other end of its standard input.
func withParent() {
	_, err := io.Copy(io.Discard, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stasis: hear of the process that asked for the run:", err)
	} else {
		fmt.Fprintln(os.Stderr, "stasis: the process that asked for the run has ended")
	}
	os.Exit(1)
}

// childRun makes the run, writes the verdict and ends the process.
func childRun(t *testing.T, r request, folder string, script func(context.Context, *One) verdict.Verdict) {
	Seed(t, r.Seed)
	one := &One{Job: r.Job, Folder: folder, Program: r.Program, Servers: os.Stderr, script: script}
	v, err := one.logged(t)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stasis: write what is known of the run:", err)
		os.Exit(1)
	}
	if err := writeJSON(filepath.Join(folder, fileVerdict), v); err != nil {
		fmt.Fprintln(os.Stderr, "stasis: write the verdict:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// logged makes the run. What happens in it is told to the parent and kept.
func (o *One) logged(t *testing.T) (v verdict.Verdict, err error) {
	f, err := os.Create(filepath.Join(o.Folder, fileLog))
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	o.Log = func(line string) {
		fmt.Fprintln(os.Stdout, line)
		if _, werr := fmt.Fprintln(f, line); werr != nil {
			err = errors.Join(err, werr)
		}
	}
	return o.Make(t)
}
