package agency

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// A client that registers a callback has the leader send requests to a URL of its choice. So
// that the leader is no way into what only it can reach, a URL has to be at an address of a
// member of the cluster: a server that is registered in the tree, or an agent. It is asked
// for when the callback is registered and before each call, since members leave, and move.

// mayObserve refuses an envelope that registers a callback at a stranger's address. It goes
// by a read, so a follower does not judge, and a registration that was acknowledged counts.
func (a *Agent) mayObserve(ctx context.Context, e envelope) error {
	var urls []string
	for _, tx := range e.transactions {
		urls = append(urls, tx.Observes()...)
	}
	if len(urls) == 0 {
		return nil
	}
	state, o, err := a.read(ctx)
	if err != nil {
		return err
	}
	members := a.addresses(state, o)
	for _, u := range urls {
		if err := members.calls(u); err != nil {
			return forbidden("observe: %v", err)
		}
	}
	return nil
}

// addresses are host:port of the members, normalised.
type addresses map[string]bool

// addresses are those by which DB servers and coordinators have registered, and by which
// agents are known.
func (a *Agent) addresses(state *fsm.State, o *office) addresses {
	all := addresses{}
	for _, server := range state.Root().At(keys.CurrentServersRegistered).Children() {
		var r keys.Registered
		if server.Decode(&r) != nil {
			continue // Version, a number
		}
		all.add(r.Endpoint)
		all.add(r.AdvertisedEndpoint)
	}
	for _, m := range a.memberList(o) {
		all.add(m.Endpoint)
	}
	return all
}

func (all addresses) add(endpoint string) {
	if address, err := addressOf(endpoint); err == nil {
		all[address] = true
	}
}

// calls says why there is no call to a URL.
func (all addresses) calls(endpoint string) error {
	address, err := addressOf(endpoint)
	if err == nil && !all[address] && !failpoint.Off("observer-is-member") {
		err = fmt.Errorf("%s is no address of a member of this cluster: a server is called where it has registered", address)
	}
	return err
}

// addressOf is host:port of an endpoint, in the one form that is compared: names in lower
// case and without a dot at the end, IP addresses as they are printed, ports that are left
// out filled in. It reads the URL as the caller's HTTP client will.
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
