package flags

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	agencyclient "stasis/agency/client"
	"stasis/client"
	"stasis/internal/network"
)

// defaultEndpoint is where `stasis up` and `stasis single` have their first coordinator.
const defaultEndpoint = "http+tcp://127.0.0.1:8529"

// prefixed is what the flags of a coordinator are called by arangobackup, whose scripts go
// on with `stasis backup`. All commands take both names.
const prefixed = "server."

// Coordinator says which coordinator to ask, and as whom.
type Coordinator struct {
	Endpoint string
	Username string
	Password string
}

// Add adds the flags to a command.
func (c *Coordinator) Add(cmd *cobra.Command) {
	c.register(cmd.Flags(), "", "")
	alsoCalled(cmd.Flags(), map[string]string{"server.endpoint": "endpoint", "server.username": "username", "server.password": "password"})
}

// addToGroup adds the flags to all commands of a group, with the names of arangobackup.
func (c *Coordinator) addToGroup(cmd *cobra.Command) {
	c.register(cmd.PersistentFlags(), prefixed, "root")
	cmd.SetGlobalNormalizationFunc(normalize(map[string]string{"endpoint": "server.endpoint", "username": "server.username", "password": "server.password"}))
}

func (c *Coordinator) register(f *pflag.FlagSet, prefix, username string) {
	f.StringVar(&c.Endpoint, prefix+"endpoint", defaultEndpoint, "`URL` of a coordinator")
	f.StringVar(&c.Username, prefix+"username", username, "user `name`, if the cluster asks for one")
	f.StringVar(&c.Password, prefix+"password", "", "`password` of the user")
}

// newClient makes a client of the coordinator.
func (c *Coordinator) newClient() (*client.Client, error) {
	if c.Password != "" && c.Username == "" {
		return nil, errors.New("--password without --username: it would not be sent")
	}
	return client.New(c.Endpoint, client.Options{HTTP: network.NewHTTPClient(network.TCP()), Username: c.Username, Password: c.Password})
}

// Agents says where agents are. Any one that leads to the leader will do.
type Agents struct {
	Addresses []string
	flag      string
}

// AddToGroup adds the flag to all commands of a group that asks agents.
func (a *Agents) AddToGroup(cmd *cobra.Command) {
	a.flag = "agent"
	cmd.PersistentFlags().StringSliceVar(&a.Addresses, a.flag, []string{"127.0.0.1:8729"}, "`HOST:PORT` of an agent, or several, separated by commas; one that knows the leader is enough")
}

// Add adds the flag to a server that follows an agency. It must be given.
func (a *Agents) Add(cmd *cobra.Command) {
	a.flag = "agency"
	cmd.Flags().StringSliceVar(&a.Addresses, a.flag, nil, "`URLs` of the agents, separated by commas (required)")
	Require(cmd, a.flag)
}

// Check refuses addresses with a user name or a password in them: agents check none, and what
// is in an address gets into logs.
func (a *Agents) Check() error {
	for _, address := range a.Addresses {
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			return fmt.Errorf("--%s …%s: the address contains credentials, which agents do not check: leave them out", a.flag, address[i:])
		}
	}
	return nil
}

// URLs are the addresses as URLs.
func (a *Agents) URLs() []string {
	urls := make([]string, len(a.Addresses))
	for i, address := range a.Addresses {
		if urls[i] = address; !strings.Contains(address, "://") {
			urls[i] = "http://" + address
		}
	}
	return urls
}

// Client makes a client of the agency. The function closes its connections.
func (a *Agents) Client() (*agencyclient.Client, func()) {
	http := network.NewHTTPClient(network.TCP())
	return agencyclient.New(agencyclient.Options{Endpoints: a.URLs(), HTTP: http}), http.CloseIdleConnections
}
