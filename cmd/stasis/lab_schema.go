package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/lab/scenario"
)

func labSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of scenarios, for editors",
		Long: `Print the JSON schema of scenarios. An editor that has it completes fields, shows what a
sentence means, and marks what is none.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := scenario.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			return err
		},
	}
}
