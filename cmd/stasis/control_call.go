package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/fault/control"
)

// controlCall is what a command does with a cluster.
type controlCall func(ctx context.Context, c *controlled, args []string) error

// controlled is a cluster that a command breaks.
type controlled struct {
	*control.Client
	out  io.Writer
	json bool
}

// run makes a cobra function of a call.
func (o *controlOptions) run(call controlCall) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		c, err := o.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return interrupted(cmd.Context(), call(ctx, &controlled{c, cmd.OutOrStdout(), o.json}, args))
	}
}

// runLab is run for a command that breaks what servers stand on.
func (o *controlOptions) runLab(call controlCall) func(*cobra.Command, []string) error {
	return o.run(func(ctx context.Context, c *controlled, args []string) error {
		if err := c.takesFaults(); err != nil {
			return err
		}
		return call(ctx, c, args)
	})
}

// endless is run for a command that goes on until it is interrupted.
func (o *controlOptions) endless(call controlCall) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := o.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return interrupted(cmd.Context(), call(cmd.Context(), &controlled{c, cmd.OutOrStdout(), o.json}, args))
	}
}

// takesFaults is an error for a cluster without --lab. It comes before all else that may be wrong with an order.
func (c *controlled) takesFaults() error {
	if hello := c.Hello(); !hello.Lab {
		return fmt.Errorf("the cluster in %[1]s takes no faults, because it was started without --lab: stop it, and start it with \"stasis up --lab --dir %[1]s\"", hello.Dir)
	}
	return nil
}

// named finds a server by one of its names.
func (c *controlled) named(ctx context.Context, names ...string) ([]string, error) {
	a, err := c.Do(ctx, control.Order{Do: control.NodeList})
	if err != nil {
		return nil, err
	}
	var found, there []string
	for _, n := range a.Nodes {
		there = append(there, n.Name)
	}
	for _, name := range names {
		at := slices.IndexFunc(a.Nodes, func(n control.Node) bool {
			return name != "" && (n.Name == name || n.ID == name || n.ShortName == name)
		})
		if at < 0 {
			return nil, fmt.Errorf("there is no server %q: there are %s", name, strings.Join(there, ", "))
		}
		found = append(found, a.Nodes[at].Name)
	}
	return found, nil
}

// order sends an order that makes a rule, and says what came of it.
func (c *controlled) order(ctx context.Context, text string, o control.Order) error {
	a, err := c.Do(ctx, o)
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(c.out, a)
	}
	fmt.Fprintln(c.out, text)
	for _, r := range ruleTable(a.Replaced) {
		fmt.Fprintf(c.out, "  in place of: %s, since %s, met %d\n", ruleText(r.Rule), r.Since.Format(time.TimeOnly), r.Met)
	}
	c.butNot(a.Silent)
	return nil
}

// butNot says at which servers an order had no effect.
func (c *controlled) butNot(silent map[string]string) {
	for _, server := range slices.Sorted(maps.Keys(silent)) {
		fmt.Fprintf(c.out, "  but not at %s: %s\n", server, silent[server])
	}
}

// unknown says which servers did not answer, as an error: their rules may be in force.
func (c *controlled) unknown(silent map[string]string) error {
	if len(silent) == 0 {
		return nil
	}
	var lines []string
	for _, server := range slices.Sorted(maps.Keys(silent)) {
		lines = append(lines, strings.TrimPrefix(silent[server], server+": "))
	}
	return fmt.Errorf("not all rules are known: %s. When it answers, ask again", strings.Join(lines, "; "))
}
