package main

import "github.com/spf13/cobra"

func clusterResignCommand(o *clusterOptions) *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use:   "resign SERVER",
		Short: "Hand the leadership of all shards of a DB server to their followers, before it is stopped",
		Args:  usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.startJob(cmd, "resignLeadership", map[string]any{"server": args[0], "undoMoves": undo})
		},
	}
	cmd.Flags().BoolVar(&undo, "undo-moves", false, "give the leadership back when the server has been started anew")
	o.addWait(cmd)
	return cmd
}
