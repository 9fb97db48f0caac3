package runner

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"testing/cryptotest"

	"stasis/lab/verdict"
	"stasis/lab/world"
)

// environment is what a child is started with beside the environment of this process. One processor each: several
// runs at once use a machine better than one run that is spread over it, and order is less a matter of chance.
// A heap of a few megabytes that lives for seconds needs few collections: see DESIGN.md for what was measured.
func environment(folder string) []string {
	debug := "randseednop=0" // math/rand takes the seed of the run: Raft's timeouts are drawn from it
	if before := os.Getenv("GODEBUG"); before != "" {
		debug = before + "," + debug
	}
	all := []string{envFolder + "=" + folder, "GODEBUG=" + debug, "GOTRACEBACK=all", "GOMAXPROCS=1"}
	if os.Getenv("GOGC") == "" {
		all = append(all, "GOGC=400")
	}
	return all
}

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
	testing.Init()
	if err := flag.CommandLine.Parse([]string{"-test.timeout=0"}); err != nil {
		fmt.Fprintln(os.Stderr, "stasis: make this process a test:", err)
		os.Exit(1)
	}
	run := testing.InternalTest{Name: "run", F: func(t *testing.T) { childRun(t, r, folder, script) }}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{run}, nil, nil)
}

// childRun makes the run, writes the verdict and ends the process.
func childRun(t *testing.T, r request, folder string, script func(context.Context, *One) verdict.Verdict) {
	seed(t, r.Seed)
	one := &One{Job: r.Job, Program: r.Program, Servers: os.Stderr, script: script}
	v, err := one.inFolder(t, folder)
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

// seed lets crypto/rand, from which ids come, and math/rand, from which Raft draws, begin with the seed.
func seed(t *testing.T, seed uint64) {
	cryptotest.SetGlobalRandom(t, seed)
	rand.Seed(int64(seed)) //lint:ignore SA1019 the global source is drawn from by packages that cannot be given another
}

// inFolder makes the run and leaves in the folder what it tells.
func (o *One) inFolder(t *testing.T, folder string) (v verdict.Verdict, err error) {
	lines, err := os.Create(filepath.Join(folder, fileLog))
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	o.Log = func(line string) { fmt.Fprintln(lines, line) }
	if o.Job.World == world.Bubble {
		v = o.Bubble(t)
	} else {
		o.Dir = filepath.Join(folder, dirData)
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return v, err
		}
		v = o.Play(t.Context())
	}
	if len(o.goroutines) > 0 {
		err = os.WriteFile(filepath.Join(folder, fileGoroutines), o.goroutines, 0o600)
	}
	return v, errors.Join(err, o.writeEvents(filepath.Join(folder, fileEvents)))
}
