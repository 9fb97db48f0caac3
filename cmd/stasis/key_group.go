package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

func keyCommand() *cobra.Command {
	coordinator := &flags.Coordinator{}
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, show, accept and retire the keys that sign backups",
	}
	show, accept, retire := keyShowCommand(coordinator), keyAcceptCommand(coordinator), keyRetireCommand(coordinator)
	for _, sub := range []*cobra.Command{show, accept, retire} {
		coordinator.Add(sub)
	}
	return flags.Group(cmd, keyNewCommand(), show, accept, retire)
}
