package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	file := flag.String("passed", "", "what go test -json has printed for the same code")
	flag.Parse()
	chosen, err := choose(mutants, flag.Args())
	passed := map[place]bool{}
	if err == nil && *file != "" {
		passed, err = passedIn(*file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	fmt.Printf("%d of %d safety lines: make mutants MUTANTS=%q\n", len(chosen), len(mutants), strings.Join(flag.Args(), " "))
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
