package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/lab"
)

// listedScenario is a shipped scenario as programs get it.
type listedScenario struct {
	Name   string   `json:"name"`
	About  string   `json:"about"`
	Worlds []string `json:"worlds"` // that can play it
	Power  bool     `json:"power"`  // it says how often something breaks without locks
}

func labListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios that are shipped, and the worlds that can play them",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := listScenarios()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return showScenarios(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listScenarios() ([]listedScenario, error) {
	shipped, err := lab.All()
	if err != nil {
		return nil, err
	}
	var all []listedScenario
	for _, s := range append(shipped, lab.Swarm(lab.Worlds()[0])) {
		parsed, err := s.Parse(1)
		if err != nil {
			return nil, err
		}
		l := listedScenario{Name: s.Name, About: strings.TrimSpace(parsed.About), Power: parsed.Power != nil}
		for _, kind := range lab.Worlds() {
			if as, err := lab.Find(s.Name, kind); err == nil && as.Fits(kind) == nil {
				l.Worlds = append(l.Worlds, string(kind))
			}
		}
		all = append(all, l)
	}
	return all, nil
}

func showScenarios(out io.Writer, all []listedScenario) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SCENARIO\tWORLDS\tABOUT")
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, strings.Join(s.Worlds, ","), firstSentence(s.About))
	}
	return w.Flush()
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(strings.Join(strings.Fields(text), " "), ". ")
	return strings.TrimSuffix(first, ".")
}
