package show

import (
	"maps"
	"slices"
	"strings"

	"stasis/client"
)

// Names are the short names of DB servers, by id. An id that is not in them is shown itself.
type Names map[string]string

// NamesIn are the names of the DB servers of a cluster.
func NamesIn(s client.Status) Names {
	n := Names{}
	for id, server := range s.DBServers {
		n[id] = server.Name
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

// within puts names in the place of ids in a text.
func (n Names) within(text string) string {
	for _, id := range slices.Sorted(maps.Keys(n)) {
		if short := n[id]; short != "" {
			text = strings.ReplaceAll(text, id, short)
		}
	}
	return text
}
