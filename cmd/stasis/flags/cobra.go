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

// Arguments says how a command is called when it gets too many or too few arguments.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil {
			return nil
		}
		return fmt.Errorf("%s: %d arguments given; usage: %s", cmd.CommandPath(), len(args), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
}

// Group makes a command of which only the subcommands do something.
func Group(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	names := make([]string, len(sub))
	for i, s := range sub {
		names[i] = s.Name()
	}
	want := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s: a command is missing (want %s)", cmd.CommandPath(), want)
		}
		return fmt.Errorf("%s: unknown command %q (want %s)", cmd.CommandPath(), args[0], want)
	}
	cmd.AddCommand(sub...)
	return cmd
}

// Require marks flags of a command that must be given.
func Require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the command does not define the flag
		}
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
