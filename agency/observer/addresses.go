package observer

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// Addresses are where members of the cluster are, host:port in one form.
//
// A client that registers a callback has the leader send requests to a URL of its choice. So that
// the leader is no way into what only it can reach, a URL has to be at an address of a member: a
// server that is registered in the tree, or an agent. That is asked when the callback is
// registered and before each call, since members leave and move.
type Addresses map[string]bool

// Members are the addresses by which DB servers and coordinators have registered in a tree, and
// those of agents, which are endpoints.
func Members(state *fsm.State, agents []string) Addresses {
	all := Addresses{}
	for _, server := range state.Root().At(keys.CurrentServersRegistered).Children() {
		var r keys.Registered
		if server.Decode(&r) != nil {
			continue // Version, a number
		}
		all.add(r.Endpoint)
		all.add(r.AdvertisedEndpoint)
	}
	for _, endpoint := range agents {
		all.add(endpoint)
	}
	return all
}

func (all Addresses) add(endpoint string) {
	if address, err := addressOf(endpoint); err == nil {
		all[address] = true
	}
}

// Refuse says why a URL is not called, nil if it is.
func (all Addresses) Refuse(endpoint string) error {
	address, err := addressOf(endpoint)
	if err == nil && !all[address] && !failpoint.Off("observer-is-member") {
		err = fmt.Errorf("%s is no address of a member of this cluster: a server is called where it has registered", address)
	}
	return err
}

// addressOf is host:port of an endpoint, in the one form that is compared: names in lower case and
// without a dot at the end, IP addresses as they are printed, omitted ports filled in. It reads
// the URL as the HTTP client of callbacks does.
func addressOf(endpoint string) (string, error) {
	u, err := url.Parse(callable(endpoint))
	if err != nil {
		return "", fmt.Errorf("the URL cannot be read: %w", err)
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	switch {
	case port == "":
		return "", fmt.Errorf("scheme %q: want http or tcp", u.Scheme)
	case u.User != nil:
		return "", fmt.Errorf("the URL for %s has credentials", u.Host)
	case u.Hostname() == "":
		return "", fmt.Errorf("the URL names no host")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, cmp.Or(u.Port(), port)), nil
}

// callable is the URL of an endpoint as agents and servers write it.
func callable(url string) string {
	for _, scheme := range []string{"http+tcp://", "tcp://"} {
		if rest, ok := strings.CutPrefix(url, scheme); ok {
			return "http://" + rest
		}
	}
	return url
}
