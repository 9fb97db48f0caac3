package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
)

// agentID gives the id of an agent that is named by its id or its name. Only an agent that answers tells its name: one
// that is down is named by its id.
func agentID(ctx context.Context, c *agencyclient.Client, name string) (string, error) {
	if strings.HasPrefix(name, "AGNT-") {
		return name, nil // the agency says whether there is such an agent
	}
	members, err := c.Members(ctx)
	if err != nil {
		return "", err
	}
	isID := func(m agencyclient.Member) bool { return m.ID == name }
	if slices.ContainsFunc(members, isID) {
		return name, nil
	}
	c.AskNames(ctx, members)
	var there []string
	for _, m := range members {
		if m.Name == name && name != "" {
			return m.ID, nil
		}
		there = append(there, cmp.Or(m.Name, "no name")+" ("+m.ID+")")
	}
	return "", fmt.Errorf("there is no agent %q; there are %s", name, strings.Join(there, ", "))
}
