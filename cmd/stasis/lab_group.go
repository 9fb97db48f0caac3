package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func labCommand() *cobra.Command {
	return flags.Group(&cobra.Command{
		Use:   "lab",
		Short: "Play scenarios of faults on clusters that the lab starts, and judge what comes of it",
		Long: `Play scenarios of faults on clusters that the lab starts, and judge what comes of it.

A scenario is a file of about ten lines: a cluster, a load, what is done when, and what
has to hold. "stasis lab list" shows those that are shipped, "stasis lab show NAME" one of
them, to copy. "stasis lab run" plays them. No cluster has to run before.`,
	}, labRunCommand(), labListCommand(), labShowCommand(), labCheckCommand(), labSchemaCommand(), labWorldsCommand())
}
