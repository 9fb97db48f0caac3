package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stasis/client"
	"stasis/internal/network"
)

const defaultEndpoint = "http+tcp://127.0.0.1:8529"

// endpointOptions say which coordinator to ask, for the commands of our own.
type endpointOptions struct {
	endpoint string
	username string
	password string
}

func (o *endpointOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.endpoint, "endpoint", defaultEndpoint, "`URL` of a coordinator")
	f.StringVar(&o.username, "username", "", "user `name`, where the cluster asks for one")
	f.StringVar(&o.password, "password", "", "password")
	alsoCalled(f, map[string]string{"server.endpoint": "endpoint", "server.username": "username", "server.password": "password"})
}

// alsoCalled lets flags be given by other names too: the reference's program and
// our own commands call the same things differently.
func alsoCalled(f *pflag.FlagSet, names map[string]string) {
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if ours, ok := names[name]; ok {
			name = ours
		}
		return pflag.NormalizedName(name)
	})
}

func (o *endpointOptions) client() (*client.Client, error) {
	if o.password != "" && o.username == "" {
		return nil, errors.New("--password without --username: it would not be sent")
	}
	return client.New(o.endpoint, client.Options{HTTP: network.NewHTTPClient(network.TCP()), Username: o.username, Password: o.password})
}

// withoutCredentials refuses addresses of agents that have a user name or a password in them:
// agents check none, and what is in an address gets into logs.
func withoutCredentials(flag string, addresses []string) error {
	for _, a := range addresses {
		if i := strings.LastIndexByte(a, '@'); i >= 0 {
			return fmt.Errorf("--%s …%s: it has credentials in it, which agents do not check: leave them out", flag, a[i:])
		}
	}
	return nil
}
