package main

import "github.com/spf13/cobra"

func singleCommand() *cobra.Command {
	o := upOptions{mode: "inprocess", agents: 1, dbservers: 1, coordinators: 1}
	cmd := &cobra.Command{
		Use:   "single",
		Short: "Run one agent, one DB server and one coordinator in one process",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runUp(cmd, o) },
	}
	o.rules.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "data `directory` (default: a temporary one, gone afterwards)")
	f.IntVar(&o.basePort, "port", 8529, "`port` to serve on, with +100 and +200 for DB server and agent; 0: free ones")
	f.StringVar(&o.readyFile, "ready-file", "", "once all is healthy, write ids, URLs and process ids to this `file` as JSON")
	f.StringVar(&o.logLevel, "log-level", "error", "trace, debug, info, warn or error")
	o.pages.Add(cmd)
	return cmd
}
