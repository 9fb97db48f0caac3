package main

import (
	"github.com/spf13/cobra"

	"stasis/internal/network"
)

// browserFlags say which web pages may use a server. Without them no page of another
// origin may.
type browserFlags struct {
	origins []string
	hosts   []string
}

func (b *browserFlags) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&b.origins, "http.trusted-origin", nil, "`origin` (https://app.example:8443) whose web pages may use the server from a browser; * trusts every page; may be repeated")
	f.StringSliceVar(&b.hosts, "http.hosts", nil, "further `name` under which the server is reached, without port; may be repeated. The names of --listen and --advertise, localhost and IP addresses are known")
}

// parse is an error that names the flag's value.
func (b *browserFlags) parse() (network.Browsers, error) {
	return network.NewBrowsers(b.origins, b.hosts)
}
