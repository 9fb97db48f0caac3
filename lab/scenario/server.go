package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Server is an expression that names one server, or several.
type Server struct {
	Form string // the name of a form of [Servers]
	Of   string // the host, or the collection, if there is one
	Text string
}

// Servers are all ways to name servers.
func Servers() []Form {
	return []Form{
		{Name: "named", Text: "HOST", About: "agent-1, dbserver-2, coordinator-1; the clients are the host client", Example: "dbserver-2"},
		{Name: "its coordinator", Text: "its coordinator", About: "the coordinator of the operation of this step", Example: "its coordinator"},
		{Name: "its server", Text: "its server", About: "the server that the moment of this step is about", Example: "its server"},
		{Name: "another coordinator", Text: "another coordinator", About: "one that is not the coordinator of the operation of this step, or not the one that was named last", Example: "another coordinator"},
		{Name: "another dbserver", Text: "another dbserver", About: "one that is not the server of the moment of this step, or not the one that was chosen before", Example: "another dbserver"},
		{Name: "the agency's leader", Text: "the agency's leader", About: "the agent that leads now", Example: "the agency's leader"},
		{Name: "a leading agent", Text: "a leading agent", About: "the agent that led when it was named first in the run", Example: "a leading agent"},
		{Name: "another agent", Text: "another agent", About: "an agent that does not lead now", Example: "another agent"},
		{Name: "the leader", Text: "the leader [of COLLECTION]", About: "the DB server that leads now the shard that the seed chose", Example: "the leader of bank"},
		{Name: "a leader", Text: "a leader [of COLLECTION]", About: "the DB server that led that shard when it was named first in the run", Example: "a leader of bank"},
		{Name: "a follower", Text: "a follower [of COLLECTION]", About: "the DB server that followed that shard, in sync, when it was named first in the run", Example: "a follower of bank"},
		{Name: "some agent", Text: "some agent", About: "one that the seed chooses, the same in the whole run", Example: "some agent"},
		{Name: "some dbserver", Text: "some dbserver", About: "one that the seed chooses, the same in the whole run", Example: "some dbserver"},
		{Name: "some coordinator", Text: "some coordinator", About: "one that the seed chooses, the same in the whole run", Example: "some coordinator"},
		{Name: "every agent", Text: "every agent", About: "all of them", Example: "every agent"},
		{Name: "every dbserver", Text: "every dbserver", About: "all of them", Example: "every dbserver"},
		{Name: "every coordinator", Text: "every coordinator", About: "all of them", Example: "every coordinator"},
		{Name: "the other agents", Text: "the other agents", About: "all but the one that leads now", Example: "the other agents"},
		{Name: "the other dbservers", Text: "the other dbservers", About: "all but the one that was named before", Example: "the other dbservers"},
		{Name: "the other coordinators", Text: "the other coordinators", About: "all but the one that was named before", Example: "the other coordinators"},
	}
}

var host = regexp.MustCompile(`^(?:(agent|dbserver|coordinator)-([1-9][0-9]*)|client)$`)

// several says whether an expression can name more than one server.
func (s Server) several() bool {
	return strings.HasPrefix(s.Form, "every ") || strings.HasPrefix(s.Form, "the other ")
}

// ParseServers reads an expression, or a list of them.
func ParseServers(text string) ([]Server, error) {
	all, ok := tokens(text)
	var found []Server
	for _, words := range split(all) {
		s, known := serverOf(words)
		if !ok || !known {
			return nil, fmt.Errorf("%s is no server%s", quote(joined(words)), didYouMean(joined(words), serverNames()))
		}
		found = append(found, s)
	}
	return found, nil
}

// split cuts a list of expressions at its commas and ands.
func split(all []token) [][]token {
	parts := [][]token{nil}
	for _, w := range all {
		if !w.quoted && (w.text == "," || w.text == "and") {
			parts = append(parts, nil)
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], w)
	}
	return parts
}

func serverOf(words []token) (Server, bool) {
	text := joined(words)
	if len(words) == 1 && !words[0].quoted && host.MatchString(text) {
		return Server{Form: "named", Of: text, Text: text}, true
	}
	for _, f := range Servers()[1:] {
		n := len(strings.Fields(f.Name))
		if len(words) < n || joined(words[:n]) != f.Name {
			continue
		}
		rest := words[n:]
		switch {
		case len(rest) == 0:
			return Server{Form: f.Name, Text: text}, true
		case len(rest) == 2 && strings.Contains(f.Text, "[of") && rest[0].text == "of" && label.MatchString(rest[1].text):
			return Server{Form: f.Name, Of: rest[1].text, Text: text}, true
		}
	}
	return Server{}, false
}

func oneServer(words []token) bool {
	s, ok := serverOf(words)
	return ok && !s.several()
}

func serverList(words []token) bool {
	return !slices.ContainsFunc(split(words), func(part []token) bool {
		_, ok := serverOf(part)
		return !ok
	})
}

// serverNames are for suggestions.
func serverNames() []string {
	var all []string
	for _, f := range Servers()[1:] {
		all = append(all, f.Name)
	}
	for i := range 9 {
		for _, role := range []string{"agent", "dbserver", "coordinator"} {
			all = append(all, role+"-"+strconv.Itoa(i+1))
		}
	}
	return append(all, "client")
}

// exists says what is wrong with a named server in a cluster; "" if nothing is.
func (c Cluster) exists(name string) string {
	parts := host.FindStringSubmatch(name)
	if parts == nil || parts[1] == "" {
		return ""
	}
	n := map[string]int{"agent": c.Agents, "dbserver": c.DBServers, "coordinator": c.Coordinators}[parts[1]]
	if i, err := strconv.Atoi(parts[2]); err == nil && i <= n {
		return ""
	}
	switch n {
	case 0:
		return fmt.Sprintf("there is no %s: the cluster has no %ss", name, parts[1])
	case 1:
		return fmt.Sprintf("there is no %s: the cluster has %s-1 alone", name, parts[1])
	}
	return fmt.Sprintf("there is no %s: the cluster has %s-1 to %s-%d", name, parts[1], parts[1], n)
}
