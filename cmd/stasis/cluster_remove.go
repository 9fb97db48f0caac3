package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stasis/client"
)

func clusterRemoveCommand(o *clusterOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "remove SERVER",
		Short: "Take a stopped server out of the cluster for good",
		Long: `Take a DB server or coordinator out of the cluster for good. It must have been
stopped; no shard may be on a DB server: clean it out first. For a minute it is
tried again while that is not so.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			server, err := findServer(cmd, c, args[0])
			if err != nil {
				return err
			}
			if !o.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "waiting until %s has failed and no shard uses it\n", server)
			}
			if err := c.Do(cmd.Context(), http.MethodPost, "/_admin/cluster/removeServer", args[0], nil); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"removed": args[0]})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is no part of the cluster any more\n", args[0])
			return nil
		},
	}
}

// findServer gives both names of a DB server or coordinator that is named by either.
func findServer(cmd *cobra.Command, c *client.Client, name string) (string, error) {
	var s client.Status
	if err := c.Do(cmd.Context(), http.MethodGet, client.PathStatus, nil, &s); err != nil {
		return "", err
	}
	var there []string
	for _, group := range []map[string]client.Server{s.DBServers, s.Coordinators} {
		for _, id := range slices.Sorted(maps.Keys(group)) {
			both := fmt.Sprintf("%s (%s)", cmp.Or(group[id].Name, "no name"), id)
			if name == id || name == group[id].Name {
				return both, nil
			}
			there = append(there, both)
		}
	}
	return "", fmt.Errorf("there is no server %q; there are %s", name, strings.Join(there, ", "))
}
