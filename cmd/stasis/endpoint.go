package main

import (
	"github.com/spf13/cobra"

	"stasis/coordinator/client"
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
}

func (o *endpointOptions) client() (*client.Client, error) {
	return client.New(o.endpoint, client.Options{HTTP: network.NewHTTPClient(network.TCP()), Username: o.username, Password: o.password})
}
