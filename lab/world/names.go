package world

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"stasis/fault/control"
	"stasis/minicluster"
)

// IDOf is the id that events and errors call a server by: of dbserver-2, "PRMR-…". A server that was removed and joins
// again has another id than before.
func IDOf(w World, name string) (string, error) {
	n, err := node(w.Nodes(), name)
	return n.ID, err
}

// NameOf is the name of the server that has an id; "" if there is none.
func NameOf(w World, id string) string {
	for _, n := range w.Nodes() {
		if n.ID == id && id != "" {
			return n.Name
		}
	}
	return ""
}

func node(all []minicluster.Node, name string) (minicluster.Node, error) {
	var names []string
	for _, n := range all {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return minicluster.Node{}, fmt.Errorf("no server %q: there are %s", name, strings.Join(names, ", "))
}

// nodes are all servers: agents, DB servers, coordinators.
func nodes(c *minicluster.Cluster) []minicluster.Node {
	agents, dbservers, coordinators := c.Nodes()
	return append(append(agents, dbservers...), coordinators...)
}

// Client is the host that clients and checkers are.
const Client = "client"

// observer is the host from which minicluster asks whether servers are ready.
const observer = "minicluster"

// hostPort is where the process of a server listens.
func hostPort(n minicluster.Node) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Port)) }

// Runs says whether a server of a world runs. One that is paused does.
func Runs(w World, server string) bool {
	return slices.ContainsFunc(w.Nodes(), func(n minicluster.Node) bool {
		return n.Name == server && (n.State == control.Running || n.State == control.Paused || n.PID != 0)
	})
}
