package main

import "github.com/spf13/cobra"

func clusterCleanOutCommand(o *clusterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clean-out SERVER",
		Short: "Move everything off a DB server, and put nothing on it any more",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.startJob(cmd, "cleanOutServer", map[string]any{"server": args[0]})
		},
	}
	o.addWait(cmd)
	return cmd
}
