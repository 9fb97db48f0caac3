package flags

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/ini.v1"
)

// readConfiguration sets the flags of a command from an INI file: [server] endpoint = … is
// --server.endpoint. A flag on the command line counts more than the file. Values are taken
// as they are, with quotes, backslashes and comment signs: a password may contain any.
func readConfiguration(cmd *cobra.Command, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--configuration: %w", err)
	}
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true, KeyValueDelimiters: "=",
	}, quoted(string(text)))
	if err != nil { // it may quote a line, and a line may have a password
		return fmt.Errorf("--configuration %s: want lines such as name = value, below [section]", path)
	}
	given := map[string]bool{} // on the command line
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	for _, section := range file.Sections() {
		prefix := ""
		if section.Name() != ini.DefaultSection {
			prefix = strings.TrimSpace(section.Name()) + "."
		}
		for _, key := range section.Keys() {
			flag := cmd.Flags().Lookup(prefix + key.Name())
			if flag == nil {
				return fmt.Errorf("--configuration %s: unknown option %q of %s", path, prefix+key.Name(), cmd.CommandPath())
			}
			if given[flag.Name] {
				continue
			}
			if err := cmd.Flags().Set(flag.Name, key.Value()); err != nil {
				return fmt.Errorf("--configuration %s: %w", path, Error(cmd, err))
			}
		}
	}
	return nil
}

// quoted puts quotes around the values that begin with one of the library's own quotes. It would
// take these away, or read on until they are closed.
func quoted(text string) []byte {
	const quote = `"""`
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, quote) || strings.HasPrefix(value, "`") {
			lines[i] = name + "=" + quote + value + quote
		}
	}
	return []byte(strings.Join(lines, "\n"))
}
