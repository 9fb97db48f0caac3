package admin

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// dbserver finds a DB server of Plan by its id or one of its names.
func dbserver(snap *catalog.Snapshot, name string) (string, error) {
	return named(snap, "DB server", snap.DBServers(), name)
}

// server finds a DB server or coordinator of Plan by its id or one of its names.
func server(snap *catalog.Snapshot, name string) (string, error) {
	return named(snap, "server", slices.Concat(snap.Coordinators(), snap.DBServers()), name)
}

// named finds one of some servers. An id means its server, whatever others are called. A name that several have is refused:
// jobs move data, and must not move that of another server than was meant.
func named(snap *catalog.Snapshot, kind string, servers []string, name string) (string, error) {
	if slices.Contains(servers, name) {
		return name, nil
	}
	var found []string
	for _, id := range servers {
		if called(snap, id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", notFound("unknown %s %q: there are %s", kind, name, catalogued(snap, servers))
	case 1:
		return found[0], nil
	}
	return "", badParameter("%d servers are called %q: name one by its id: %s", len(found), name, strings.Join(found, ", "))
}

// catalogued lists servers for who has misspelt the name of one.
func catalogued(snap *catalog.Snapshot, servers []string) string {
	var all []string
	for _, id := range servers {
		if name := cmp.Or(snap.Name(id), snap.ShortName(id)); name != "" {
			id = name + " (" + id + ")"
		}
		all = append(all, id)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// serverOf reads the name of a server from a body: a string, or an object with the attribute
// server. It decodes the object into into, too, unless that is nil.
func serverOf(c *rest.Call, into any) (string, error) {
	raw, err := c.JSON()
	if err != nil {
		return "", err
	}
	var name string
	if json.Unmarshal(raw, &name) == nil && name != "" {
		return name, nil
	}
	var body struct {
		Server string `json:"server"`
	}
	if json.Unmarshal(raw, &body) != nil || body.Server == "" {
		return "", badParameter(`want the attribute "server"`)
	}
	if into != nil && json.Unmarshal(raw, into) != nil {
		return "", badParameter("an attribute has the wrong type")
	}
	return body.Server, nil
}

// plain returns a planned server without the mark of a leader that has to resign.
func plain(server string) string { return strings.TrimPrefix(server, keys.Resigned) }

// called says whether a server is called so: by its short name, or its name. Of two servers with one name the
// one is called so that has not failed: it has come in the place of the other.
func called(snap *catalog.Snapshot, server, name string) bool {
	switch {
	case name == "":
		return false
	case snap.ShortName(server) == name:
		return true
	case snap.Name(server) != name:
		return false
	case !snap.Failed(server):
		return true
	}
	for _, other := range slices.Concat(snap.DBServers(), snap.Coordinators()) {
		if other != server && snap.Name(other) == name && !snap.Failed(other) {
			return false
		}
	}
	return true
}
