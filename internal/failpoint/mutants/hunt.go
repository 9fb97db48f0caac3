package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long one test may take, with a mutant or without.
const patience = 2 * time.Minute

// verdict is what became of a mutant.
type verdict struct {
	mutant
	outcome string // killed, SURVIVED or WRONG FAILURE
	detail  string
	took    time.Duration
}

const killed = "killed"

// hunt runs the test of each mutant, first without, unless it has passed, and then with it, and prints what
// came of it. It counts those that were not killed.
func hunt(ctx context.Context, chosen []mutant, passed map[place]bool, out io.Writer) (left int, err error) {
	bin, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	begun := time.Now()
	for rest := chosen; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(m mutant) bool { return m.room != rest[0].room })
		if n < 0 {
			n = len(rest)
		}
		verdicts, err := huntIn(ctx, bin, rest[:n], passed)
		if err != nil {
			return left, err
		}
		for _, v := range verdicts {
			_, _ = fmt.Fprintf(out, "%-13s %-36s %s %s (%.1f s)\n", v.outcome, v.name, v.room, v.test, v.took.Seconds())
			if v.outcome != killed {
				left++
				_, _ = fmt.Fprintf(out, "  protects: %s\n  %s\n", v.protects, strings.ReplaceAll(v.detail, "\n", "\n  "))
			}
		}
		rest = rest[n:]
	}
	_, _ = fmt.Fprintf(out, "%d safety lines switched off: %d noticed, %d not, in %.0f s\n", len(chosen), len(chosen)-left, left, time.Since(begun).Seconds())
	return left, nil
}

// huntIn does mutants of one folder. An error means that there is nothing to say
// about them: the tests cannot be built, or fail without a mutant.
func huntIn(ctx context.Context, bin string, list []mutant, passed map[place]bool) ([]verdict, error) {
	room := list[0].room
	binary := filepath.Join(bin, strings.ReplaceAll(room, "/", "-")+".test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-tags", "failpoints", "-o", binary, "./"+room) // to link takes less
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests of %s: %w\n%s", room, err, out)
	}
	verdicts := make([]verdict, len(list))
	faults := make([]error, len(list))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i, m := range list {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			begun := time.Now()
			if !passed[place{room, m.test}] {
				if out, err := run(ctx, binary, m, ""); err != nil || !strings.Contains(out, "--- PASS: "+m.test+" ") {
					faults[i] = fmt.Errorf("%s: %s does not pass without the mutant: %w\n%s", room, m.test, err, out)
					return
				}
			}
			out, err := run(ctx, binary, m, m.name)
			verdicts[i] = judge(m, out, err)
			verdicts[i].took = time.Since(begun)
		})
	}
	group.Wait()
	return verdicts, errors.Join(faults...)
}

// run runs one test of a binary.
func run(ctx context.Context, binary string, m mutant, off string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	parts := strings.Split(m.test, "/")
	for i := range parts {
		parts[i] = "^" + parts[i] + "$"
	}
	cmd := exec.CommandContext(ctx, binary, "-test.run", strings.Join(parts, "/"), "-test.v", "-test.count=1")
	cmd.Dir = m.room
	cmd.Env = append(os.Environ(), "STASIS_MUTANT="+off)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("not ended after %s: %w", patience, err)
	}
	return string(out), err
}

// judge says whether the test has noticed, by the output that it has ended with.
func judge(m mutant, out string, err error) verdict {
	v := verdict{mutant: m}
	first := assertion(out)
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		v.outcome, v.detail = "SURVIVED", "the test passes"
	case !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "--- FAIL: "+m.test+" "):
		v.outcome, v.detail = "WRONG FAILURE", fmt.Sprintf("the test has not failed by an assertion: %v\n%s", err, tail(out))
	case !strings.Contains(first, m.says):
		v.outcome, v.detail = "WRONG FAILURE", fmt.Sprintf("the assertion that failed does not say %q: %s\n%s", m.says, first, tail(out))
	default:
		v.outcome = killed
	}
	return v
}

// assertion is the first assertion of testify that failed, in one line; "" if none did.
func assertion(out string) string {
	_, rest, found := strings.Cut(out, "Error Trace:")
	if !found {
		return ""
	}
	text, rest, _ := strings.Cut(rest, "Test:")
	if lines := strings.Split(rest, "\n"); len(lines) > 1 { // the message follows the name of the test
		if message, yes := strings.CutPrefix(strings.TrimSpace(lines[1]), "Messages:"); yes {
			text += message
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// tail is the end of an output.
func tail(out string) string {
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
