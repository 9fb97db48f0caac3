package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// check judges what the sentences say: whether what they name is there.
func (r *checker) check() {
	for i := range r.s.Do {
		r.checkStep(&r.s.Do[i])
	}
	r.checkMoments()
	r.checkAsked()
	for i, e := range r.s.Expect {
		r.checkArgs(e.Line, e.Text, e.Args, nil)
		r.checkExpectation(i, e)
	}
	c := r.s.Cluster
	for _, l := range r.s.Load {
		if l.replicas > c.DBServers {
			r.add(l.Line, "%s: %d replicas of each shard need as many DB servers, and the cluster has %d: want a smaller `replication`", l.Spec.Name, l.replicas, c.DBServers)
		}
	}
	if p := r.s.Power; p != nil {
		switch {
		case len(r.s.Load) == 0:
			r.add(p.Line, "power: without `load` there is nothing that can break")
		case p.LockMode == "":
			r.add(p.Line, "power: want lockMode: none, and breaks")
		}
	}
}

func (r *checker) checkStep(s *Step) {
	if len(s.Actions) == 0 {
		r.add(s.Line, "%s: want an action, or a list of actions, after the colon", quote(s.When.Text))
	}
	w := &s.When
	w.After = r.resolve(s.Line, w.Text, w.After)
	if m := w.Event; m != nil {
		m.Operations = r.resolve(s.Line, w.Text, m.Operations)
		r.checkMoment(s.Line, w.Text, m)
	}
	if w.At != nil && w.Every == 0 && strings.HasPrefix(w.Text, "every ") {
		r.add(s.Line, "%s: want a time above 0", quote(w.Text))
	}
	if w.Until > 0 && w.Until < *w.At {
		r.add(s.Line, "%s: it begins at %v, after `until`", quote(w.Text), *w.At)
	}
	for _, a := range s.Actions {
		r.checkArgs(a.Line, a.Text, a.Args, w)
		r.checkAction(a, w)
	}
}

func (r *checker) checkMoment(line int, text string, m *Moment) {
	if m.Step != "" {
		r.checkStepName(line, text, m.Step, m.Operations)
	} else {
		r.choose(line, text, m)
	}
	if m.On == "" {
		return
	}
	r.checkServers(line, text, "server", m.On, nil)
}

// choose finds the steps that the seed can choose from.
func (r *checker) choose(line int, text string, m *Moment) {
	before := len(r.all)
	for _, bound := range []string{m.From, m.Before} {
		if bound != "" {
			r.checkStepName(line, text, bound, m.Operations)
		}
	}
	if len(r.all) > before {
		return // the bounds are wrong themselves
	}
	kind := ""
	for _, o := range r.operations {
		switch {
		case !slices.Contains(m.Operations, o.Label):
		case kind != "" && kind != o.Kind:
			r.add(line, "%s: %s is a %s, and others are a %s: `some step` needs operations of one kind", quote(text), quote(o.Label), o.Kind, kind)
			return
		default:
			kind = o.Kind
		}
	}
	if m.Among = among(Course(kind), m.From, m.Before); len(m.Among) == 0 && kind != "" {
		r.add(line, "%s: there is no step to choose: want two of these, the earlier first: %s", quote(text), listed(Course(kind)))
	}
}

// checkStepName says whether there is such a step of all these operations.
func (r *checker) checkStepName(line int, text, step string, of []string) {
	if !slices.Contains(allSteps(), step) {
		r.add(line, "%s: no step is called %q%s", quote(text), step, didYouMean(step, allSteps()))
		return
	}
	for _, o := range r.operations {
		if slices.Contains(of, o.Label) && !slices.Contains(stepsOf[o.Kind], step) {
			r.add(line, "%s: the operation %s is a %s, which has no step %q: want %s%s", quote(text), quote(o.Label), o.Kind, step, listed(stepsOf[o.Kind]), didYouMean(step, stepsOf[o.Kind]))
		}
	}
}

func listed(steps []string) string {
	quoted := make([]string, len(steps))
	for i, s := range steps {
		quoted[i] = `"` + s + `"`
	}
	return strings.Join(quoted, ", ")
}

// resolve replaces "both" and "all" by the operations, and says which names are none.
func (r *checker) resolve(line int, text string, named []string) []string {
	var all []string
	for _, n := range named {
		switch {
		case n == "both" && len(r.operations) != 2:
			r.add(line, "%s: `both` needs two operations, and the scenario has %d (%s): name them", quote(text), len(r.operations), strings.Join(labelsOf(r.operations), ", "))
		case n == "both" || n == "all":
			all = append(all, labelsOf(r.operations)...)
		case !slices.Contains(labelsOf(r.operations), n):
			r.add(line, "%s: there is no operation %s: the scenario begins %s%s", quote(text), quote(n), orNone(labelsOf(r.operations)), didYouMean(n, labelsOf(r.operations)))
		default:
			all = append(all, n)
		}
	}
	return all
}

// checkArgs judges the arguments of a sentence. w is the moment of its step; nil for an expectation.
func (r *checker) checkArgs(line int, text string, args map[string]string, w *When) {
	for _, name := range slices.Sorted(maps.Keys(args)) {
		switch v := args[name]; name {
		case "operations":
			r.resolve(line, text, OperationsIn(v))
		case "step":
			r.checkStepName(line, text, v, OperationsIn(args["operations"]))
		case "a", "b", "server", "coordinator":
			r.checkServers(line, text, name, v, w)
		}
	}
}

func (r *checker) checkServers(line int, text, name, value string, w *When) {
	all, err := ParseServers(value)
	if err != nil {
		r.add(line, "%s: %v", quote(text), err)
		return
	}
	for _, s := range all {
		if problem := r.checkServer(s, name, w); problem != "" {
			r.add(line, "%s: %s", quote(text), problem)
		}
	}
}

func (r *checker) checkServer(s Server, name string, w *When) string {
	if s.Form == "named" {
		if problem := r.s.Cluster.exists(s.Of); problem != "" {
			return problem
		}
	}
	switch {
	case s.Form != "named" && s.Of != "" && !r.has(s.Of):
		return r.noCollection(s.Of)
	case name == "coordinator" && roleOf(s) != "coordinator":
		return quote(s.Text) + " is no coordinator, which alone can be asked"
	case s.Form == "its coordinator" && (w == nil || w.Event == nil && len(w.After) == 0):
		return "`its coordinator` needs an operation, and this step has none: it begins neither with `when` nor with `after`"
	case s.Form == "its server" && (w == nil || w.Event == nil):
		return "`its server` needs a moment, and this step has none: it does not begin with `when`"
	case strings.HasPrefix(s.Form, "another ") && r.count(roleOf(s)) < 2, strings.HasPrefix(s.Form, "the other ") && r.count(roleOf(s)) < 2:
		return fmt.Sprintf("%s needs two, and the cluster has %d %s", quote(s.Text), r.count(roleOf(s)), roleOf(s))
	case s.Form == "a follower" && r.s.Cluster.DBServers < 2:
		return "`a follower` needs two DB servers"
	}
	return ""
}

func (r *checker) count(role string) int {
	c := r.s.Cluster
	return map[string]int{"agent": c.Agents, "dbserver": c.DBServers, "coordinator": c.Coordinators}[role]
}

// roleOf is the role of the servers that an expression names: "agent", "dbserver", "coordinator", "client", or "" if that
// depends on the run.
func roleOf(s Server) string {
	if s.Form == "named" {
		if parts := host.FindStringSubmatch(s.Of); parts[1] != "" {
			return parts[1]
		}
		return "client"
	}
	for _, role := range []string{"coordinator", "dbserver", "agen"} {
		if strings.Contains(s.Form, role) {
			return strings.Replace(role, "agen", "agent", 1)
		}
	}
	if s.Form == "its server" {
		return ""
	}
	return "dbserver" // a leader, a follower
}

// onDBServers are the actions that are about DB servers alone; onServers those that need a server, not the clients.
var (
	onDBServers = []string{"clean out", "move shard"}
	onServers   = []string{"kill", "restart", "pause", "resume", "crash", "skew clock", "remove", "lose disk", "start", "hang disk", "slow disk", "fail disk", "fill disk", "tear disk", "heal disk"}
)

// checkAction judges what one action says.
func (r *checker) checkAction(a Action, w *When) {
	for _, name := range []string{"a", "b"} {
		all, err := ParseServers(a.Args[name])
		if a.Args[name] == "" || err != nil {
			continue
		}
		for _, s := range all {
			switch role := roleOf(s); {
			case slices.Contains(onDBServers, a.Verb) && role != "dbserver" && role != "":
				r.add(a.Line, "%s: %s is no DB server", quote(a.Text), quote(s.Text))
			case slices.Contains(onServers, a.Verb) && role == "client":
				r.add(a.Line, "%s: the clients are no server", quote(a.Text))
			}
		}
	}
	if all, err := ParseServers(a.Args["a"]); a.Verb == "recover agency" && err == nil && (len(all) != 1 || all[0].several() || roleOf(all[0]) != "agent") {
		r.add(a.Line, "%s: want one agent, not %s", quote(a.Text), quote(a.Args["a"]))
	}
	switch name := a.Args["collection"]; {
	case a.Verb == "drop collection" && !r.creates(name):
		r.add(a.Line, "%s: nothing creates %s: want `create collection %s` before", quote(a.Text), name, name)
	case a.Verb == "move shard" && name != "" && !r.has(name):
		r.add(a.Line, "%s: %s", quote(a.Text), r.noCollection(name))
	case a.Verb == "release":
		r.checkRelease(a)
	}
	if a.Args["a"] != "" && a.Args["a"] == a.Args["b"] {
		r.add(a.Line, "%s: both ends of the link are %s", quote(a.Text), quote(a.Args["a"]))
	}
	o, ok := OperationOf(a)
	if !ok {
		return
	}
	if o.Kind != "create" && !slices.ContainsFunc(r.operations, func(b Operation) bool { return b.Kind == "create" && b.Backup == o.Backup }) {
		r.add(a.Line, "%s: there is no backup %s in this scenario%s", quote(a.Text), quote(o.Backup), didYouMean(o.Backup, labelsOf(r.operations)))
	}
	if w.Every > 0 {
		r.add(a.Line, "%s: an operation has a label of its own, and cannot be begun again and again: write several steps with `at`", quote(a.Text))
	}
}
