package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/dbserver/transfer/rclone"
	"stasis/internal/version"
)

// versionText names both versions: clients see that of the API.
var versionText = fmt.Sprintf("stasis %s, speaks the API of ArangoDB %s\n", version.Stasis, version.API)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and which kinds of remote storage are built in",
		Args:  flags.NoArguments,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprint(cmd.OutOrStdout(), versionText)
			showRemotes(cmd.OutOrStdout())
		},
	}
}

// showRemotes says which kinds of remote storage this program was built with.
func showRemotes(out io.Writer) {
	which := "the usual ones; build with -tags rclone_all for all"
	if rclone.All() {
		which = "all"
	}
	fmt.Fprintf(out, "remote storage (rclone, %s): %s\n", which, strings.Join(rclone.Backends(), ", "))
}
