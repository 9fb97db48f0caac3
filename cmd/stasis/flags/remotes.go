package flags

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stasis/dbserver/transfer/rclone"
)

// Remotes are the flags that say which remote storage requests may use. They are
// the DB servers'.
type Remotes struct {
	named     string
	types     []string
	localRoot string
	hosts     []string
}

// Add adds the flags to a command.
func (r *Remotes) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.named, "backup.remotes", "", "`file` with remotes that requests may use by name, but neither see nor change: rclone's configuration file, or JSON")
	f.StringSliceVar(&r.types, "backup.remote-types", nil, "`types` of remotes that requests may configure, separated by commas (default: all that \"stasis version\" lists except memory, and local only with --backup.local-root)")
	f.StringVar(&r.localRoot, "backup.local-root", "", "`directory` below which remotes of type local may be (default: none are allowed)")
	f.StringSliceVar(&r.hosts, "backup.remote-hosts", nil, "`hosts` that remotes may reach although they are link-local, metadata services or this cluster's own ports: HOST:PORT or networks, separated by commas")
}

// Open reads the file of remotes and checks all.
func (r Remotes) Open(errOut io.Writer) (*rclone.Remotes, error) {
	o := rclone.Options{Types: r.types, LocalRoot: r.localRoot, Hosts: r.hosts}
	if r.named != "" {
		named, warning, err := rclone.ReadNamed(r.named)
		if err != nil {
			return nil, err
		}
		if o.Named = named; warning != "" {
			fmt.Fprintln(errOut, "stasis: warning: "+warning)
		}
	}
	return rclone.New(o)
}

// Arguments are the flags for a DB server that is a process of its own.
func (r Remotes) Arguments() []string {
	var args []string
	for flag, value := range map[string]string{
		"backup.remotes": r.named, "backup.remote-types": strings.Join(r.types, ","),
		"backup.local-root": r.localRoot, "backup.remote-hosts": strings.Join(r.hosts, ","),
	} {
		if value != "" {
			args = append(args, "--"+flag+"="+value)
		}
	}
	return args
}
