package flags

import (
	"github.com/spf13/cobra"

	"stasis/internal/network"
)

// Browsers say which web pages may use a server. Without them no page of another
// origin may.
type Browsers struct {
	Origins []string
	Hosts   []string
}

// Add adds the flags to a command.
func (b *Browsers) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&b.Origins, "http.trusted-origin", nil, "`origin` (https://app.example:8443) whose web pages may use the server from a browser; * trusts every page; may be repeated")
	f.StringSliceVar(&b.Hosts, "http.hosts", nil, "further `name` of the server, without port; may be repeated. The names of --listen and --advertise, localhost and IP addresses are known without it")
}

// Browsers returns the rules that the flags make. An error names the value that is wrong.
func (b *Browsers) Browsers() (network.Browsers, error) {
	return network.NewBrowsers(b.Origins, b.Hosts)
}
