package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/lab"
)

func labShowCommand() *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a scenario that is shipped, to read or to copy",
		Long: `Show a scenario that is shipped, to read or to copy.

A file can be named too. "swarm" is another scenario with each seed.

"stasis lab show NAME > mine.yaml", change it, and "stasis lab run mine.yaml" plays it.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := lab.Find(args[0], lab.Worlds()[0])
			if err != nil {
				return err
			}
			text, err := s.Source(seed)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "`number` from which a scenario is drawn that is another one with each seed")
	return cmd
}
