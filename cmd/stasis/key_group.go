package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
)

// keyOptions are those of the commands that ask a coordinator.
type keyOptions struct {
	coordinator flags.Coordinator
}

func keyCommand() *cobra.Command {
	o := &keyOptions{}
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, show, accept and retire the keys that sign backups",
	}
	show, accept, retire := keyShowCommand(o), keyAcceptCommand(o), keyRetireCommand(o)
	for _, sub := range []*cobra.Command{show, accept, retire} {
		o.coordinator.Add(sub)
	}
	return flags.Group(cmd, keyNewCommand(), show, accept, retire)
}
