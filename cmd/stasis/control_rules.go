package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"stasis/fault/control"
)

// rules lists the rules that are selected.
func (c *controlled) rules(ctx context.Context, none string, selected func(control.Rule) bool) error {
	a, err := c.Do(ctx, control.Order{Do: control.RuleList})
	if err != nil {
		return err
	}
	a.Rules = slices.DeleteFunc(a.Rules, func(r control.Rule) bool { return !selected(r) })
	if c.json {
		if err := printJSON(c.out, a); err != nil {
			return err
		}
		return c.unknown(a.Silent)
	}
	rows := ruleTable(a.Rules)
	if len(rows) == 0 {
		fmt.Fprintln(c.out, none)
		return c.unknown(a.Silent)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tMET\tSINCE\tAT")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", ruleText(r.Rule), r.Met, r.Since.Format(time.TimeOnly), holdersText(r.holders))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return c.unknown(a.Silent)
}
