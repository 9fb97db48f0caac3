package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stasis/internal/logfile"
)

// The flags about log files.
const (
	logMaxSizeFlag = "log-max-size"
	logKeepFlag    = "log-keep"
)

// logFileFlags say how much log is kept.
type logFileFlags struct {
	size  string
	keep  int
	flags *pflag.FlagSet
}

func (l *logFileFlags) addFlags(cmd *cobra.Command) {
	l.flags = cmd.Flags()
	l.flags.StringVar(&l.size, logMaxSizeFlag, "64MiB", "a log file of this `size` is set aside, as FILE.1, and a new one begun; KiB, MiB or GiB")
	l.flags.IntVar(&l.keep, logKeepFlag, 5, "`number` of log files that are kept beside the newest; older ones are deleted")
}

// set is one of the flags that was given, "" if none was.
func (l *logFileFlags) set() (name string) {
	if l.flags == nil {
		return ""
	}
	for _, flag := range []string{logMaxSizeFlag, logKeepFlag} {
		if l.flags.Changed(flag) {
			return flag
		}
	}
	return ""
}

// arguments are the flags for another process.
func (l *logFileFlags) arguments() []string {
	if l.set() == "" {
		return nil
	}
	return []string{"--" + logMaxSizeFlag, l.size, "--" + logKeepFlag, strconv.Itoa(l.keep)}
}

func (l *logFileFlags) parse() (logfile.Limits, error) {
	if l.flags == nil {
		return logfile.Limits{}, nil
	}
	size, err := parseSize(l.size)
	switch {
	case err != nil:
		return logfile.Limits{}, fmt.Errorf("--%s %q: %w", logMaxSizeFlag, l.size, err)
	case size < logfile.LeastSize:
		return logfile.Limits{}, fmt.Errorf("--%s %q: want 64KiB or more", logMaxSizeFlag, l.size)
	case l.keep < 1 || l.keep > logfile.MostKept:
		return logfile.Limits{}, fmt.Errorf("--%s %d: want 1 to %d", logKeepFlag, l.keep, logfile.MostKept)
	}
	return logfile.Limits{Size: size, Keep: l.keep}, nil
}

// parseSize reads a number of bytes.
func parseSize(text string) (int64, error) {
	for suffix, unit := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil || n < 0 {
				return 0, fmt.Errorf("want a number before %s", suffix)
			}
			return n * unit, nil
		}
	}
	return 0, fmt.Errorf("want a size like 64MiB, in KiB, MiB or GiB")
}
