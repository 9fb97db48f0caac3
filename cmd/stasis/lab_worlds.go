package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/lab"
	"stasis/lab/world"
)

// worldFeature is a feature as programs get it: for each world "" or the reason why it has not got it.
type worldFeature struct {
	Feature world.Feature         `json:"feature"`
	Lacks   map[world.Kind]string `json:"lacks"`
}

func labWorldsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "worlds",
		Short: "Show what each world can do, and why not the rest",
		Long: `Show what each world can do, and why not the rest.

  bubble     everything in memory, in virtual time: a minute passes in a moment
  inprocess  one process, network in memory, real disks, real time
  processes  a process for each server, as in production

A scenario that needs what a world cannot do is not played there: that is an error.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := worldFeatures()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return showWorlds(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func worldFeatures() (all []worldFeature) {
	for f := range world.Features(world.Bubble) {
		lacks := map[world.Kind]string{}
		for _, kind := range lab.Worlds() {
			if why := world.Features(kind)[f]; why != "" {
				lacks[kind] = why
			}
		}
		all = append(all, worldFeature{f, lacks})
	}
	slices.SortFunc(all, func(a, b worldFeature) int {
		if n := len(a.Lacks) - len(b.Lacks); n != 0 {
			return n
		}
		return slices.Compare([]byte(a.Feature), []byte(b.Feature))
	})
	return all
}

func showWorlds(out io.Writer, all []worldFeature) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "FEATURE")
	for _, kind := range lab.Worlds() {
		fmt.Fprintf(w, "\t%s", kind)
	}
	fmt.Fprintln(w)
	var reasons []string
	for _, f := range all {
		fmt.Fprint(w, f.Feature)
		for _, kind := range lab.Worlds() {
			why := f.Lacks[kind]
			if why == "" {
				fmt.Fprint(w, "\tyes")
				continue
			}
			i := slices.Index(reasons, why)
			if i < 0 {
				i = len(reasons)
				reasons = append(reasons, why)
			}
			fmt.Fprintf(w, "\tno (%d)", i+1)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, why := range reasons {
		fmt.Fprintf(out, "(%d) %s\n", i+1, why)
	}
	return nil
}
