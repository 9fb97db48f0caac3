package show

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"stasis/client"
)

// Names are the names of servers by id: those that they were started with, or else their short names. An id that is not in them is shown itself.
type Names map[string]string

// NamesIn are the names of the servers of a cluster.
func NamesIn(s client.Status) Names {
	n := Names{}
	for _, group := range []map[string]client.Server{s.DBServers, s.Coordinators} {
		for id, server := range group {
			n[id] = cmp.Or(server.ServerName, server.Name)
		}
	}
	for id, agent := range s.Agents {
		n[id] = agent.ServerName
	}
	return n
}

// Of is the name of one server.
func (n Names) Of(id string) string {
	if short := n[id]; short != "" {
		return short
	}
	return id
}

// Both is the name of one server beside its id: "dbserver-1 (PRMR-…)".
func (n Names) Both(id string) string {
	if name := n[id]; name != "" {
		return name + " (" + id + ")"
	}
	return id
}

// beside is the id of one server with its name beside it, in lines that scripts read: "PRMR-… (dbserver-1)".
func (n Names) beside(id string) string {
	if name := n[id]; name != "" {
		return id + " (" + name + ")"
	}
	return id
}

// within puts names in the place of ids in a text.
func (n Names) within(text string) string {
	for _, id := range slices.Sorted(maps.Keys(n)) {
		if short := n[id]; short != "" {
			text = strings.ReplaceAll(text, id, short)
		}
	}
	return text
}
