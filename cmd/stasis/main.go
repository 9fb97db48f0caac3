// Command stasis is the one binary of the project. It starts a whole cluster (up, single,
// demo) or one role of it (agent, dbserver, coordinator), and is the client for people and
// scripts (status, shards, import, backup, cluster, agency).
//
// This package is wiring: commands, signals, exit status. The exit status is 0 if everything
// that was asked for is done, and 1 otherwise. For check, 1 is a violation, and 2 that nothing
// is known; for runs of the lab, 3 is that they showed nothing. Files are named
// <group>_<verb>.go after the command that they have; flags, text and progress bars are in
// packages of their own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/internal/version"
	"stasis/lab"
)

func main() {
	lab.Main()
	keepPrivate()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
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
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintln(errOut, "stasis: "+err.Error())
	}
	return exitStatus(err)
}

// endings are the signals that end a command in good order. A terminal that is closed is one, unless the command was started to
// outlive it, as nohup does.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "stasis",
		Short: "A small distributed document store whose hot backup is provably one instant",
		Long: `Stasis is a small distributed document store built around one promise: a hot
backup of the whole cluster that is provably one instant, taken while it runs.

Start with "stasis demo". Then "stasis up" starts a local cluster to work with.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q; \"stasis --help\" lists the commands", args[0])
			}
			return cmd.Help()
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.Stasis,
	}
	root.SetVersionTemplate(versionText)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flags.Error)
	root.AddCommand(
		demoCommand(), upCommand(), singleCommand(), statusCommand(), shardsCommand(), importCommand(),
		nodeCommand(), netCommand(), diskCommand(), stepCommand(), loadCommand(), checkCommand(), labCommand(),
		backupCommand(), clusterCommand(), agencyCommand(), keyCommand(), agentCommand(), dbserverCommand(), coordinatorCommand(),
		versionCommand(),
	)
	return root
}
