package main

import (
	"context"

	"stasis/fault/control"
)

func nameOr(names map[string]string, id string) string {
	if name := names[id]; name != "" {
		return name
	}
	return id
}

// names are the names of servers by id.
func (c *controlled) names(ctx context.Context) (map[string]string, error) {
	a, err := c.Do(ctx, control.Order{Do: control.NodeList})
	names := map[string]string{}
	for _, n := range a.Nodes {
		names[n.ID] = n.Name
	}
	return names, err
}
