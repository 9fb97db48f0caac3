package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/lab/scenario"
)

func stepCommand() *cobra.Command {
	o := &controlOptions{}
	cmd := &cobra.Command{
		Use:   "step",
		Short: "Hold operations of a running \"stasis up --lab\" at a step, and watch its steps",
		Long: `Hold operations of a running "stasis up --lab" at a step, and watch its steps.

A hold stops the first operation that comes to the step, in whichever server, until it is
released: time enough to kill a server there, or to look. Time limits of the operation go
on; one that ends its wait ends the hold. It concerns servers that run when it is made; one
that is started again holds nothing. "step watch" and "step names" show
what steps are called.`,
	}
	o.addFlags(cmd)
	return flags.Group(cmd, stepHold(o),
		&cobra.Command{
			Use: "release [NUMBER]", Short: "Let operations go on that are held: one, or all", Args: flags.Arguments(cobra.MaximumNArgs(1)),
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := holdNumber(args)
				if err != nil {
					return err
				}
				return o.runLab(func(ctx context.Context, c *controlled, _ []string) error { return c.release(ctx, id) })(cmd, args)
			},
		},
		&cobra.Command{
			Use: "list", Short: "Show what is held, and what will be", Args: flags.NoArguments,
			RunE: o.runLab(func(ctx context.Context, c *controlled, _ []string) error { return c.holds(ctx) }),
		},
		&cobra.Command{
			Use: "watch", Short: "Print each step of each server as it happens, until Ctrl-C", Args: flags.NoArguments,
			RunE: o.endless(watchSteps),
		},
		&cobra.Command{
			Use: "names", Short: "List the names of all steps, by operation", Args: flags.NoArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				for _, operation := range operations {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", operation, strings.Join(scenario.Steps(operation), ", "))
				}
				return nil
			},
		})
}

// operations are those that have steps.
var operations = []string{event.Create, event.Restore, event.Delete, event.Verify, event.Upload, event.Download}

func stepHold(o *controlOptions) *cobra.Command {
	var m fault.Moment
	sub := &cobra.Command{
		Use: "hold STEP", Short: "Hold the first operation that comes to a step",
		Example: "  stasis step hold \"all gates held\" --operation create\n  stasis step hold cut --on dbserver-2",
		Args:    flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Step = event.Name(args[0])
			if err := checkMoment(m); err != nil {
				return err
			}
			return o.runLab(func(ctx context.Context, c *controlled, _ []string) error { return c.hold(ctx, m) })(cmd, args)
		},
	}
	f := sub.Flags()
	f.StringVar(&m.Operation, "operation", "", "`operation` whose step it is: "+strings.Join(operations, ", ")+" (default: any)")
	f.StringVar(&m.Server, "on", "", "only if it concerns this `server`")
	f.StringVar(&m.Label, "label", "", "only of the backup with this `label`")
	f.IntVar(&m.After, "after", 0, "`number` of such steps that pass first, counted in each server")
	return sub
}

// hold has operations held.
func (c *controlled) hold(ctx context.Context, m fault.Moment) error {
	a, err := c.Do(ctx, control.Order{Do: control.Hold, Moment: &m})
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(c.out, a)
	}
	fmt.Fprintf(c.out, "%s will be held: hold %d. \"stasis step release %d\" ends it\n", momentText(m, nil), a.Rule.ID, a.Rule.ID)
	c.butNot(a.Silent)
	return nil
}

// checkMoment refuses a step that never comes.
func checkMoment(m fault.Moment) error {
	among := operations
	if m.Operation != "" {
		among = []string{m.Operation}
		if !slices.Contains(operations, m.Operation) {
			return fmt.Errorf("--operation %q: want %s", m.Operation, strings.Join(operations, ", "))
		}
	}
	var names []string
	for _, operation := range among {
		names = append(names, scenario.Steps(operation)...)
	}
	switch {
	case m.After < 0:
		return fmt.Errorf("--after %d: want 0 or more", m.After)
	case slices.Contains(names, string(m.Step)):
		return nil
	case m.Operation != "":
		return fmt.Errorf("%s has no step %q: it has %s", m.Operation, m.Step, strings.Join(names, ", "))
	}
	return fmt.Errorf("no operation has a step %q: \"stasis step names\" lists the steps", m.Step)
}

// momentText says where an operation is held.
func momentText(m fault.Moment, names map[string]string) string {
	text := strconv.Quote(string(m.Step))
	if m.Operation != "" {
		text += " of " + m.Operation
	}
	if m.Label != "" {
		text += " " + m.Label
	}
	if m.Server != "" {
		text += " on " + nameOr(names, m.Server)
	}
	if m.After > 0 {
		text += fmt.Sprintf(" after %d of them", m.After)
	}
	return text
}

// holds lists what is held.
func (c *controlled) holds(ctx context.Context) error {
	names, err := c.names(ctx)
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, control.Order{Do: control.RuleList})
	if err != nil {
		return err
	}
	a.Rules, a.Silent = slices.DeleteFunc(a.Rules, func(r control.Rule) bool { return r.Kind != "hold" }), nil
	if c.json {
		return printJSON(c.out, a)
	}
	if len(a.Rules) == 0 {
		fmt.Fprintln(c.out, "nothing is held")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOLD\tSTEP\tSINCE\tHELD")
	for _, r := range a.Rules {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", r.ID, momentText(*r.Moment, names), r.Since.Format(time.TimeOnly), heldText(r, names))
	}
	return w.Flush()
}

// heldText says what a hold holds.
func heldText(r control.Rule, names map[string]string) string {
	text := "not yet"
	if r.Event != nil {
		text = fmt.Sprintf("%s %s", r.Event.Operation, r.Event.ID)
		if r.Event.Server != "" {
			text += " at " + nameOr(names, r.Event.Server)
		}
	}
	switch {
	case r.Over != "" && r.Event == nil:
		return "never: " + r.Over
	case r.Over != "":
		return text + ", and ended by itself: " + r.Over
	case r.Event == nil:
		for _, server := range slices.Sorted(maps.Keys(r.Silent)) {
			text += "; not at " + server + ": " + r.Silent[server]
		}
	}
	return text
}

// holdNumber is the number of a hold; 0: all.
func holdNumber(args []string) (int64, error) {
	if len(args) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("release %q: want the number of a hold, as \"stasis step list\" shows it", args[0])
	}
	return n, nil
}

func (c *controlled) release(ctx context.Context, id int64) error {
	a, err := c.Do(ctx, control.Order{Do: control.Release, Rule: id})
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(c.out, a)
	}
	if len(a.Rules) == 0 {
		fmt.Fprintln(c.out, "nothing is held: there was nothing to release")
		return nil
	}
	held, over := 0, 0
	for _, r := range a.Rules {
		switch {
		case r.Event == nil:
		case r.Over != "":
			over++
		default:
			held++
		}
	}
	fmt.Fprintf(c.out, "released: %d, of which %d held an operation", len(a.Rules), held)
	if over > 0 {
		fmt.Fprintf(c.out, "; %d had ended by itself before: what followed did not happen under it", over)
	}
	fmt.Fprintln(c.out)
	return nil
}
