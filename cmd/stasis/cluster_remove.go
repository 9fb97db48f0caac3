package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func clusterRemoveCommand(o *clusterOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "remove SERVER",
		Short: "Take a stopped server out of the cluster for good",
		Long: `Take a DB server or coordinator out of the cluster for good. It must have been
stopped; no shard may be on a DB server: clean it out first. For a minute it is
tried again while that is not so.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			if !o.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "waiting until %s has failed and no shard uses it\n", args[0])
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
