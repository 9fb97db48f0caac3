package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func singleCommand() *cobra.Command {
	o := upOptions{mode: "inprocess", agents: 1, dbservers: 1, coordinators: 1}
	cmd := &cobra.Command{
		Use:   "single",
		Short: "Run one agent, one DB server and one coordinator in one process",
		Args:  flags.NoArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runUp(cmd, o) },
	}
	o.rules.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "data `directory` (default: a temporary one, removed afterwards)")
	f.IntVar(&o.basePort, "port", 8529, "`port` to serve on, the DB server serves on +100, the agent on +200; 0: free ports")
	f.StringVar(&o.readyFile, "ready-file", "", "`file` to which to write ids, URLs and process ids as JSON when all servers are healthy")
	f.StringVar(&o.logLevel, "log-level", "error", "`level` of the log: trace, debug, info, warn or error")
	o.pages.Add(cmd)
	return cmd
}
