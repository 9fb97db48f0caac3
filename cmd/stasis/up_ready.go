package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

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
				where = "BROKEN (" + n.Name + "): " + n.Broken
			case n.Removed:
				where = "was removed from the cluster and is not started (without its directory " + n.Name + " a new one is)"
			}
			fmt.Fprintf(out, "  %-13s %-42s %s\n", title, n.ID, where)
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

// writeReady publishes the file whole or not at all. In process the servers have this
// process's id: kill takes 0 for the whole group of who calls it.
func writeReady(path string, c *minicluster.Cluster, mode minicluster.Mode) error {
	type node struct {
		ID  string `json:"id"`
		URL string `json:"url"`
		PID int    `json:"pid"` // of this process, if the server is part of it
	}
	list := func(nodes []minicluster.Node) []node {
		all := []node{}
		for _, n := range nodes {
			if n.Removed || n.Broken != "" {
				continue
			}
			if mode == minicluster.InProcess {
				n.PID = os.Getpid()
			}
			all = append(all, node{n.ID, n.URL, n.PID})
		}
		return all
	}
	agents, dbservers, coordinators := c.Nodes()
	raw, err := json.Marshal(map[string][]node{"agents": list(agents), "dbservers": list(dbservers), "coordinators": list(coordinators)})
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
