package flags

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stasis/internal/logfile"
)

// The flags about log files.
const (
	logMaxSizeFlag = "log-max-size"
	logKeepFlag    = "log-keep"
	defaultLogSize = 64 << 20
)

// Logs say how much log is kept.
type Logs struct {
	size  Size
	keep  int
	flags *pflag.FlagSet
}

// Add adds the flags to a command.
func (l *Logs) Add(cmd *cobra.Command) {
	l.flags = cmd.Flags()
	l.size = defaultLogSize
	l.flags.Var(&l.size, logMaxSizeFlag, "`size` at which a log file is renamed to FILE.1 and a new one is started, such as 64M; 64K or more")
	l.flags.IntVar(&l.keep, logKeepFlag, 5, "`number` of older log files that are kept beside the newest one; older ones are deleted")
}

// Given is the name of one of the flags that was given, "" if none was.
func (l *Logs) Given() (name string) {
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

// Arguments are the flags for another process.
func (l *Logs) Arguments() []string {
	if l.Given() == "" {
		return nil
	}
	return []string{"--" + logMaxSizeFlag, l.size.String(), "--" + logKeepFlag, strconv.Itoa(l.keep)}
}

// Limits are the flags as the log file takes them; zero if Add was not called.
func (l *Logs) Limits() (logfile.Limits, error) {
	if l.flags == nil {
		return logfile.Limits{}, nil
	}
	switch {
	case l.size < logfile.LeastSize:
		return logfile.Limits{}, fmt.Errorf("--%s %s: want 64K or more", logMaxSizeFlag, l.size.String())
	case l.keep < 1 || l.keep > logfile.MostKept:
		return logfile.Limits{}, fmt.Errorf("--%s %d: want 1 to %d", logKeepFlag, l.keep, logfile.MostKept)
	}
	return logfile.Limits{Size: int64(l.size), Keep: l.keep}, nil
}
