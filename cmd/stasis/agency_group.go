package main

import (
	"time"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func agencyCommand() *cobra.Command {
	var o agencyOptions
	cmd := &cobra.Command{
		Use:   "agency",
		Short: "Show an agency, change its members, read and write its tree, recover it",
	}
	o.agents.AddToGroup(cmd)
	cmd.PersistentFlags().DurationVar(&o.timeout, "timeout", 15*time.Second, "`time` after which to give up")
	return flags.Group(cmd, agencyMembersCommand(&o), agencyAddCommand(&o), agencyRemoveCommand(&o), agencyLeaderCommand(&o),
		agencyTransferCommand(&o), agencyDumpCommand(&o), agencyWatchCommand(&o), agencyReadCommand(&o), agencyWriteCommand(&o),
		agencySnapshotCommand(&o), agencyRecoverCommand())
}
