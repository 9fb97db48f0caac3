// Command stasis is the one binary of the project: it starts a whole cluster
// (up, single, demo) or one role of it (agent, dbserver, coordinator), and is the
// client for people and scripts (status, shards, import, backup, cluster).
//
// This package is wiring only: flags, configuration, signals, exit status. Exit
// status is 0 when everything asked for was done, 1 otherwise.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stasis/dbserver/transfer/rclone"
	"stasis/internal/version"
)

func main() {
	keepPrivate()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the default handling is back: a second Ctrl-C ends a
	// shutdown that hangs.
	context.AfterFunc(ctx, stop)

	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintln(errOut, "stasis: "+err.Error())
	}
	return 1
}

// versionText names both versions: clients see the API's.
var versionText = fmt.Sprintf("stasis %s, speaks the API of ArangoDB %s\n", version.Stasis, version.API)

// errReported marks an error that the command has told the user already.
var errReported = errors.New("reported")

// showRemotes says which kinds of remote storage this program was built with.
func showRemotes(out io.Writer) {
	which := "chosen; build with -tags rclone_all for every one"
	if rclone.All() {
		which = "all"
	}
	fmt.Fprintf(out, "remote storage (rclone, %s): %s\n", which, strings.Join(rclone.Backends(), ", "))
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "stasis",
		Short: "A small distributed document store whose hot backup is provably one instant",
		Long: `Stasis is a small distributed document store built around one promise: a hot
backup of the whole cluster that is provably one instant, taken while it runs.

Begin with "stasis demo". Then "stasis up" starts a local cluster to work with.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.Stasis,
	}
	root.SetVersionTemplate(versionText)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		demoCommand(), upCommand(), singleCommand(), statusCommand(), shardsCommand(), importCommand(), backupCommand(), clusterCommand(),
		agencyCommand(), agentCommand(), dbserverCommand(), coordinatorCommand(),
		&cobra.Command{Use: "version", Short: "Print version and build", Args: cobra.NoArgs, Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprint(cmd.OutOrStdout(), versionText)
			showRemotes(cmd.OutOrStdout())
		}},
	)
	return root
}
