package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/lab"
)

func labCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Read scenarios and say which lines are wrong, without playing them",
		Long: `Read scenarios and say which lines are wrong, without playing them. For one that is right
the worlds are shown that can play it, and why others cannot. The exit status is 1 if a line
is wrong, or if no world can play a scenario.`,
		Args: flags.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var wrong []error
			for _, name := range args {
				s, err := lab.Find(name, lab.Worlds()[0])
				if err == nil {
					_, err = s.Parse(1)
				}
				if err != nil {
					wrong = append(wrong, err)
					continue
				}
				played := false
				for _, kind := range lab.Worlds() {
					if err := s.Fits(kind); err != nil {
						fmt.Fprintf(cmd.OutOrStdout(), "%s: world %s cannot play it: %v\n", s.Name, kind, err)
					} else {
						fmt.Fprintf(cmd.OutOrStdout(), "%s: world %s can play it\n", s.Name, kind)
						played = true
					}
				}
				if !played {
					wrong = append(wrong, fmt.Errorf("%s: no world can play it", s.Name))
				}
			}
			return errors.Join(wrong...)
		},
	}
}
