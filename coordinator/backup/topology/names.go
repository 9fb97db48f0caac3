package topology

import (
	"fmt"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// shortName returns the name that a server was started with, or else its short name, "" if it has neither.
func shortName(root *agencyclient.Node, id string) string {
	if name := root.At(keys.ServerRegistered(id) + "/name").Text(); name != "" {
		return name
	}
	return root.At(keys.ShortIDs + "/" + id + "/ShortName").Text()
}

// Name returns both names of a server, because people know it by either: "dbserver-2 (PRMR-…)".
func Name(root *agencyclient.Node, id string) string { return bothNames(shortName(root, id), id) }

// names is Name of several servers.
func names(root *agencyclient.Node, servers []string) string {
	names := make([]string, len(servers))
	for i, id := range servers {
		names[i] = Name(root, id)
	}
	return strings.Join(names, ", ")
}

func bothNames(short, id string) string {
	if short == "" {
		return id
	}
	return short + " (" + id + ")"
}

// URL returns the address with which a server registered.
func URL(root *agencyclient.Node, id string) (string, error) {
	var r keys.Registered
	if err := root.At(keys.ServerRegistered(id)).Decode(&r); err != nil {
		return "", fmt.Errorf("the address of %s is not registered: %w", id, err)
	}
	if rest, ok := strings.CutPrefix(r.Endpoint, "ssl://"); ok {
		return "https://" + rest, nil
	}
	return "http://" + strings.TrimPrefix(r.Endpoint, "tcp://"), nil
}

// Number reads a counter. A missing one is 0.
func Number(n *agencyclient.Node) uint64 {
	v, ok := n.Int()
	if !ok || v < 0 {
		return 0
	}
	return uint64(v)
}
