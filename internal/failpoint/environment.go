//go:build failpoints

package failpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// environment arms points of a process.
const environment = "STASIS_FAILPOINTS"

func init() {
	armed, err := parse(os.Getenv(environment))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", environment, err)
		os.Exit(2)
	}
	for k, a := range armed {
		Set(k.point, k.who, a)
	}
}

// parse reads a value of the environment variable.
func parse(value string) (map[key]Action, error) {
	armed := map[key]Action{}
	for part := range strings.SplitSeq(value, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		where, what, found := strings.Cut(part, "=")
		if !found {
			return nil, fmt.Errorf("%q: want point=action or point@server=action", part)
		}
		var k key
		k.point, k.who, _ = strings.Cut(where, "@")
		if !slices.Contains(points, k.point) {
			return nil, fmt.Errorf("%q: there is no point %q; the points are %s", part, k.point, strings.Join(points, ", "))
		}
		if armed[k] != nil {
			return nil, fmt.Errorf("%q: %s is armed twice", part, where)
		}
		a, err := actionOf(what)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		armed[k] = a
	}
	return armed, nil
}

func actionOf(what string) (Action, error) {
	name, argument, with := strings.Cut(what, ":")
	switch {
	case name == "wait" && !with:
		return wait, nil
	case name == "wait" && argument != "":
		return waitFor(argument), nil
	case name == "fail" && !with:
		return fail("injected failure"), nil
	case name == "fail" && argument != "":
		return fail(argument), nil
	case name == "kill" && !with:
		return kill, nil
	}
	return nil, fmt.Errorf("unknown action %q: want wait, wait:FILE, fail, fail:TEXT or kill", what)
}

// wait is the action that waits until the context ends, and gives its error.
func wait(ctx context.Context, _ string) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// waitFor makes path.reached and waits until path exists.
func waitFor(path string) Action {
	return func(ctx context.Context, who string) error {
		if err := os.WriteFile(path+".reached", []byte(who+"\n"), 0o600); err != nil {
			return fmt.Errorf("failpoint: %w", err)
		}
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			if _, err := os.Stat(path); err == nil {
				return nil
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// fail gives an error with this text.
func fail(text string) Action {
	err := errors.New(text)
	return func(context.Context, string) error { return err }
}

// kill ends the process at once: nothing is flushed, and no defer runs.
func kill(context.Context, string) error {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return fmt.Errorf("failpoint: kill this process: %w", err)
	}
	select {} // until the signal is here
}
