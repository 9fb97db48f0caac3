package minicluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"stasis/fault/control"
	"stasis/internal/datadir"
)

// members are the servers of a cluster, each role in the order of the names.
type members struct {
	agents       []*node
	dbservers    []*node
	coordinators []*node
}

func (m *members) add(n *node) {
	switch n.role {
	case datadir.Agent:
		m.agents = append(m.agents, n)
	case datadir.DBServer:
		m.dbservers = append(m.dbservers, n)
	default:
		m.coordinators = append(m.coordinators, n)
	}
}

// all are the servers in the order of starting.
func (m *members) all() []*node { return slices.Concat(m.agents, m.others()) }

// others are all but the agents.
func (m *members) others() []*node { return slices.Concat(m.dbservers, m.coordinators) }

func (m *members) named(name string) (*node, error) {
	for _, n := range m.all() {
		if n.name == name {
			return n, nil
		}
	}
	return nil, control.Errorf(control.NoSuchServer, "there is no server %q: there are %s", name, strings.Join(m.names(), ", "))
}

// hostAt is the name of the server that has an address, "" if none has.
func (m *members) hostAt(address string) string {
	for _, n := range m.all() {
		if n.at.address == address {
			return n.name
		}
	}
	return ""
}

func (m *members) names() []string {
	var names []string
	for _, n := range m.all() {
		names = append(names, n.name)
	}
	return names
}

// peers are the agents' addresses by their ids.
func (m *members) peers() map[string]string {
	peers := map[string]string{}
	for _, a := range m.agents {
		peers[a.id] = a.at.address
	}
	return peers
}

func (m *members) agencyURLs() []string {
	urls := make([]string, len(m.agents))
	for i, a := range m.agents {
		urls[i] = "http://" + a.at.address
	}
	return urls
}

// together does f to all nodes at once and waits for all.
func together(nodes []*node, f func(*node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = f(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// present are the nodes without those that were removed from the cluster.
func present(nodes []*node) []*node {
	return slices.DeleteFunc(slices.Clone(nodes), (*node).removed)
}

func countAlive(nodes []*node) (alive int) {
	for _, n := range nodes {
		if n.alive() {
			alive++
		}
	}
	return alive
}

// enough is an error if those of the nodes that are well are too few for a cluster. It names all
// that are broken, with the reasons.
func enough(nodes []*node, well func(*node) bool) error {
	lack := ""
	for _, group := range []struct {
		role datadir.Role
		name string
	}{{datadir.Agent, "agents"}, {datadir.DBServer, "DB servers"}, {datadir.Coordinator, "coordinators"}} {
		all, good := 0, 0
		for _, n := range nodes {
			if n.role == group.role {
				all++
				if well(n) {
					good++
				}
			}
		}
		need := min(all, 1)
		if group.role == datadir.Agent && all > 0 {
			need = all/2 + 1
		}
		if good < need && lack == "" {
			lack = fmt.Sprintf("%d of %d %s run, %d are needed", good, all, group.name, need)
		}
	}
	if lack == "" {
		return nil
	}
	errs := []error{errors.New(lack)}
	for _, n := range nodes {
		if err := n.broken(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.name, err))
		}
	}
	return fmt.Errorf("the cluster cannot start: %w", errors.Join(errs...))
}
