package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	args, passed := os.Args[1:], map[place]bool{}
	var err error
	if len(args) > 1 && args[0] == "-passed" {
		passed, err = passedIn(args[1])
		args = args[2:]
	}
	chosen, wrong := choose(mutants, args)
	err = errors.Join(err, wrong)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	fmt.Printf("%d of %d safety lines: make mutants MUTANTS=%q\n", len(chosen), len(mutants), strings.Join(args, " "))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	survivors, err := hunt(ctx, chosen, passed, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survivors > 0 {
		os.Exit(1)
	}
}

// choose picks from the list what the arguments say.
func choose(list []mutant, args []string) ([]mutant, error) {
	if len(args) == 0 || len(args) == 1 && args[0] == "all" {
		return list, nil
	}
	var k, n int
	if _, err := fmt.Sscanf(args[0], "%d/%d", &k, &n); err == nil && len(args) == 1 {
		if k < 1 || k > n {
			return nil, fmt.Errorf("there is no part %s of the list: want 1/3, 2/3 or 3/3, for example", args[0])
		}
		return list[(k-1)*len(list)/n : k*len(list)/n], nil
	}
	var chosen []mutant
	for _, name := range args {
		i := slices.IndexFunc(list, func(m mutant) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no safety line is named %q", name)
		}
		chosen = append(chosen, list[i])
	}
	return chosen, nil
}
