package world

import (
	"fmt"
	"slices"
	"strings"
)

// hosts are the names of all servers of a cluster, and of its clients.
type hosts []string

func hostsOf(c Config) hosts {
	all := hosts{Client}
	for _, role := range []struct {
		name  string
		count int
	}{{"agent", c.Agents}, {"dbserver", c.DBServers}, {"coordinator", c.Coordinators}} {
		for i := range role.count {
			all = append(all, fmt.Sprintf("%s-%d", role.name, i+1))
		}
	}
	slices.Sort(all)
	return all
}

// known is an error for a name that no host has: a rule about it would never be met.
func (h hosts) known(names ...string) error {
	for _, name := range names {
		if !slices.Contains(h, name) {
			return fmt.Errorf("there is no host %q: there are %s", name, strings.Join(h, ", "))
		}
	}
	return nil
}

// knownOrAny is known for names of which "" is any host.
func (h hosts) knownOrAny(names ...string) error {
	return h.known(slices.DeleteFunc(names, func(name string) bool { return name == "" })...)
}
