package main

import (
	"fmt"
	"slices"
	"strings"

	"stasis/fault/control"
)

// ruleRow is a rule in a table: what several processes have of it is one.
type ruleRow struct {
	control.Rule
	holders []string
}

// ruleTable puts together what several processes have of one rule.
func ruleTable(rules []control.Rule) []ruleRow {
	var rows []ruleRow
	for _, r := range rules {
		at := slices.IndexFunc(rows, func(row ruleRow) bool { return ruleText(row.Rule) == ruleText(r) && !r.OfDisk() })
		if at < 0 {
			rows = append(rows, ruleRow{r, []string{r.Holder}})
			continue
		}
		rows[at].Met += r.Met
		rows[at].holders = append(rows[at].holders, r.Holder)
	}
	return rows
}

// ruleText says what a rule does.
func ruleText(r control.Rule) string {
	text := r.Kind
	switch {
	case r.Message != nil:
		return r.Message.String()
	case r.From != "":
		text += " " + r.From + " -> " + r.To
	case r.Server != "":
		text += " " + r.Server
	}
	if r.By != 0 {
		text += fmt.Sprintf(" by %v", r.By)
	}
	if r.Rate != 0 {
		text += fmt.Sprintf(" to %d bytes/s", r.Rate)
	}
	if r.Kind == "fill" {
		text += fmt.Sprintf(" but for %d bytes", r.Bytes)
	}
	if r.Calls != nil && len(r.Calls.Kinds) > 0 {
		text += " at " + strings.Join(r.Calls.Kinds, ",")
	}
	if r.Calls != nil && r.Calls.Path != "" {
		text += " of …" + r.Calls.Path + "…"
	}
	if r.Calls != nil && r.Calls.After > 0 {
		text += fmt.Sprintf(" after %d calls", r.Calls.After)
	}
	if r.Error != "" {
		text += " with " + r.Error
	}
	return text
}

// holdersText says which processes have a rule.
func holdersText(holders []string) string {
	if holders[0] == "" {
		return "the one process"
	}
	return strings.Join(holders, ", ")
}
