package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"stasis/fault/control"
	"stasis/minicluster"
)

func printTopology(out io.Writer, c *minicluster.Cluster) {
	agents, dbservers, coordinators := c.Nodes()
	for _, group := range []struct {
		name  string
		nodes []minicluster.Node
	}{{"agents", agents}, {"DB servers", dbservers}, {"coordinators", coordinators}} {
		for i, n := range group.nodes {
			title := ""
			if i == 0 {
				title = group.name
			}
			where := n.URL
			switch {
			case n.Broken != "":
				where = "BROKEN: " + n.Broken
			case n.Removed:
				where = "was removed from the cluster and is not started (without its directory a new one is)"
			}
			fmt.Fprintf(out, "  %-13s %-14s %-42s %s\n", title, n.Name, n.ID, where)
		}
	}
	fmt.Fprintf(out, "  %-13s %s\n", "access", openAccess)
}

// openAccess says who may do what. It belongs wherever a cluster is shown that was started.
const openAccess = "authentication is off: every client that reaches a port is an administrator"

// portFlag is how the command's ports are chosen.
func portFlag(cmd *cobra.Command) string {
	if cmd.Flags().Lookup("base-port") == nil {
		return "port"
	}
	return "base-port"
}

// clearReady removes the file of an earlier run, which would say that this one is
// ready, and finds out now whether one can be written later.
func clearReady(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("--ready-file: %s is a directory", path)
	}
	if err := removeIfThere(path); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", nil, 0o600); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return removeIfThere(path + ".tmp")
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}

// writeReady publishes the servers that run, as the file whole or not at all. In process the servers have this
// process's id: kill takes 0 for the whole group of who calls it.
func writeReady(ctx context.Context, path string, c *minicluster.Cluster) error {
	roles := map[string]string{"agent": "agents", "dbserver": "dbservers", "coordinator": "coordinators"}
	all := map[string][]control.Node{"agents": {}, "dbservers": {}, "coordinators": {}}
	for _, n := range c.Describe(ctx) {
		if n.State == control.Running || n.State == control.Paused {
			all[roles[n.Role]] = append(all[roles[n.Role]], n)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	if err := os.WriteFile(path+".tmp", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}
