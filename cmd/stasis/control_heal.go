package main

import (
	"context"
	"errors"
	"fmt"

	"stasis/fault/control"
)

// heal ends the rules that are selected.
func (c *controlled) heal(ctx context.Context, what string, selected func(control.Rule) bool) error {
	list, err := c.Do(ctx, control.Order{Do: control.RuleList})
	if err != nil {
		return err
	}
	ended := []control.Rule{}
	for _, r := range list.Rules {
		if !selected(r) {
			continue
		}
		_, err := c.Do(ctx, control.Order{Do: control.RuleEnd, Server: r.Holder, Rule: r.ID})
		if err != nil && !errors.Is(err, control.NoSuchRule) && !errors.Is(err, control.NotRunning) { // it has ended with its process
			return err
		}
		ended = append(ended, r)
	}
	if c.json {
		return printJSON(c.out, control.Answer{Rules: ended, Silent: list.Silent})
	}
	switch n := len(ruleTable(ended)); n {
	case 0:
		fmt.Fprintf(c.out, "%s: there was nothing to heal\n", what)
	case 1:
		fmt.Fprintf(c.out, "%s: healed (1 rule)\n", what)
	default:
		fmt.Fprintf(c.out, "%s: healed (%d rules)\n", what, n)
	}
	return c.unknown(list.Silent)
}
