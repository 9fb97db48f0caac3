package flags

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Error says what a flag wants, where the library says which of its functions failed.
func Error(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	want := invalid.Unwrap().Error()
	switch flag.Value.Type() {
	case "int", "int64", "uint64":
		want = "want a whole number"
	case "float64":
		want = "want a number"
	case "duration":
		want = "want a time with its unit, such as 500ms, 10s or 2m"
	case "bool":
		want = "want true or false"
	}
	return fmt.Errorf("--%s %q: %s", flag.Name, invalid.GetValue(), want)
}

// name is a command as it is typed after the program's name.
func name(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// Arguments says how a command is called when it gets too many or too few arguments.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		usage := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(args) == 0 {
			return fmt.Errorf("%s: an argument is missing; usage: %s", name(cmd), usage)
		}
		return fmt.Errorf("%s: the arguments do not fit: %s; usage: %s", name(cmd), strings.Join(args, " "), usage)
	}
}

// NoArguments is for commands that take none.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: unexpected argument %q; \"%s --help\" lists the flags", name(cmd), args[0], cmd.CommandPath())
	}
	return nil
}

// Group makes a command of which only the subcommands do something.
func Group(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	names := make([]string, len(sub))
	for i, s := range sub {
		names[i] = s.Name()
	}
	want := list(names, "or")
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s: a command is missing (want %s)", name(cmd), want)
		}
		return fmt.Errorf("%s: unknown command %q (want %s)", name(cmd), args[0], want)
	}
	cmd.AddCommand(sub...)
	return cmd
}

// list is names as a sentence has them: a, b or c.
func list(names []string, last string) string {
	n := len(names) - 1
	if n == 0 {
		return names[0]
	}
	return strings.Join(names[:n], ", ") + " " + last + " " + names[n]
}

// Require refuses to run a command without some of its flags. They may also come from a
// configuration file.
func Require(cmd *cobra.Command, names ...string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var missing []string
		for _, n := range names {
			if !cmd.Flags().Changed(n) {
				missing = append(missing, "--"+n)
			}
		}
		switch len(missing) {
		case 0:
			return nil
		case 1:
			return fmt.Errorf("%s: %s is missing", name(cmd), missing[0])
		}
		return fmt.Errorf("%s: %s are missing", name(cmd), list(missing, "and"))
	}
}

// alsoCalled lets flags be given by other names too.
func alsoCalled(f *pflag.FlagSet, names map[string]string) {
	f.SetNormalizeFunc(normalize(names))
}

func normalize(names map[string]string) func(*pflag.FlagSet, string) pflag.NormalizedName {
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if shown, other := names[name]; other {
			name = shown
		}
		return pflag.NormalizedName(name)
	}
}
