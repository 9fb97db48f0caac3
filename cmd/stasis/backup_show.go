package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupShowCommand(b *flags.Backup) *cobra.Command {
	var dir string
	var ascii bool
	cmd := &cobra.Command{
		Use:   "show ID [--dir DIR]",
		Short: "Show one backup, and how all gates came to be held at once, as a time line",
		Long: `Show one backup: its facts, what the certificate says of the instant, how long writers
waited, and the attempts to hold all gates as a time line. It reads no data; verify does.

The coordinator is asked for it. With --dir no server is asked: DIR is the directory of a
cluster (of "stasis up"), or any directory below which the pieces of all DB servers are.

A row is a DB server. Its bar begins when the coordinator asked for the gate, and all bars of an
attempt have one scale: the coordinator's monotonic clock. Bars fit the width of the terminal.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			chart := show.Chart{Width: widthOf(cmd.OutOrStdout()), ASCII: ascii || !unicodeTerminal()}
			if dir != "" {
				return showOffline(cmd, b, location{id: args[0], dir: dir}, chart)
			}
			return showOnline(cmd, b, args[0], chart)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` in which to find the backup without a server")
	cmd.Flags().BoolVar(&ascii, "ascii", false, "draw with ASCII characters only (default: if the locale is not UTF-8)")
	return cmd
}

// showOnline asks a coordinator.
func showOnline(cmd *cobra.Command, b *flags.Backup, id string, chart show.Chart) error {
	c, err := b.Client()
	if err != nil {
		return err
	}
	call := &backupCall{cmd: cmd, flags: b, name: "show", client: c, report: newReport(cmd, b)}
	res, err := call.backups().Show(cmd.Context(), id)
	if err == nil && !b.JSON {
		return show.Backup(cmd.OutOrStdout(), res, serverNames(cmd.Context(), c), chart)
	}
	return call.end(flags.NoCoordinator(c, err), res, func(show.Report) {})
}

// location is where a backup is without a server.
type location struct{ id, dir string }

// showOffline reads what the pieces say of themselves.
func showOffline(cmd *cobra.Command, b *flags.Backup, at location, chart show.Chart) error {
	if flag := b.GivenOfServer(); flag != "" {
		return fmt.Errorf("show: --%s and --dir: with --dir no server is asked", flag)
	}
	found, err := findPieces(at.dir, at.id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("show: no piece of %s in %s", at.id, at.dir)
	}
	res, err := describePieces(at.id, found[at.id])
	if err != nil {
		return err
	}
	if b.JSON {
		return printJSON(cmd.OutOrStdout(), res)
	}
	return show.Backup(cmd.OutOrStdout(), res, nil, chart)
}

// defaultWidth is the width of a line where there is no terminal.
const defaultWidth = 100

// widthOf is the width of a terminal.
func widthOf(out io.Writer) int {
	if f, ok := out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}

// unicodeTerminal says whether the locale is one of UTF-8. The first variable that is set counts.
func unicodeTerminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := os.Getenv(name); locale != "" {
			return strings.Contains(strings.ReplaceAll(strings.ToLower(locale), "-", ""), "utf8")
		}
	}
	return false
}
