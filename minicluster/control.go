package minicluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"stasis/agency/keys"
	"stasis/event"
	"stasis/fault/control"
)

// How long a node is waited for, and the agency, when a controller asks.
const (
	restartLimit = 90 * time.Second
	namesLimit   = time.Second
)

// Control carries the orders of a controller out: to kill, pause and restart servers, and with Options.Lab to break
// what they stand on. It is for control.Serve.
func (c *Cluster) Control() control.Handler { return handler{c} }

type handler struct{ c *Cluster }

// Handle implements [control.Handler].
func (h handler) Handle(ctx context.Context, s *control.Session, o control.Order) (control.Answer, error) {
	switch o.Do {
	case control.HelloVerb:
		return h.hello(), nil
	case control.NodeList:
		return control.Answer{Nodes: h.c.Describe(ctx)}, nil
	case control.NodeKill, control.NodePause, control.NodeResume, control.NodeRestart:
		return h.node(ctx, o)
	}
	lab := h.c.lab
	if lab == nil {
		return control.Answer{}, control.Errorf(control.NoLab, "the cluster in %[1]s takes no faults, because it was started without --lab: stop it, and start it with \"stasis up --lab --dir %[1]s\"", h.c.options.Dir)
	}
	return h.fault(ctx, lab, s, o)
}

// fault carries out what needs a lab.
func (h handler) fault(ctx context.Context, lab *Lab, s *control.Session, o control.Order) (control.Answer, error) {
	switch o.Do {
	case control.Watch:
		stop, err := lab.Watch(ctx, func(e event.Event) { s.Send(e) })
		if err == nil {
			s.OnEnd(stop)
		}
		return control.Answer{}, err
	case control.Hold:
		return h.hold(ctx, lab, o)
	case control.Release:
		rules, err := h.c.holds.release(o.Rule)
		return control.Answer{Rules: rules}, err
	case control.HealAll:
		h.c.holds.end()
	}
	a, err := lab.Do(ctx, o)
	if o.Do == control.RuleList { // of holds, processes know only what each of them has
		a.Rules = append(slices.DeleteFunc(a.Rules, func(r control.Rule) bool { return r.Kind == "hold" }), h.c.holds.list()...)
	}
	return a, err
}

// hold makes a hold that lasts until it is released. Events name servers by their ids.
func (h handler) hold(ctx context.Context, lab *Lab, o control.Order) (control.Answer, error) {
	if o.Moment == nil || o.Moment.Step == "" {
		return control.Answer{}, control.Errorf(control.BadOrder, "a hold needs the step")
	}
	m := *o.Moment
	if m.Server != "" {
		n, err := h.c.find(ctx, m.Server)
		if err != nil {
			return control.Answer{}, err
		}
		m.Server = n.serverID()
	}
	return h.c.holds.hold(ctx, lab, m)
}

func (h handler) hello() control.Answer {
	mode := "inprocess"
	if h.c.options.Mode == Processes {
		mode = "processes"
	}
	hello := control.Self()
	hello.Lab, hello.Servers, hello.Mode, hello.Dir = h.c.lab != nil, h.c.servers.names(), mode, h.c.options.Dir
	return control.Answer{Hello: &hello}
}

// node does something to a server, which may be named by each of its names.
func (h handler) node(ctx context.Context, o control.Order) (control.Answer, error) {
	n, err := h.c.find(ctx, o.Server)
	if err != nil {
		return control.Answer{}, err
	}
	note := ""
	switch o.Do {
	case control.NodeKill:
		if n.running() == nil {
			note = "it did not run: " + string(n.state())
		}
		n.kill()
	case control.NodePause:
		if n.running() != nil && n.running().paused() {
			note = "it was paused already"
		}
		err = n.signal("pause", running.pause)
	case control.NodeResume:
		if n.running() != nil && !n.running().paused() {
			note = "it was not paused"
		}
		err = n.signal("resume", running.resume)
	default:
		ctx, cancel := context.WithTimeout(ctx, restartLimit)
		defer cancel()
		if err = h.c.Restart(ctx, n.name); err != nil {
			err = fmt.Errorf("%s was started and does not serve: %w", n.name, err)
		}
	}
	if errors.Is(err, errNotPaused) {
		err = control.Errorf(control.CannotDo, "%s cannot be paused, because all servers run in one process: stop the cluster, and start it with \"stasis up --mode processes --dir %s\"", n.name, h.c.options.Dir)
	}
	if err != nil {
		return control.Answer{}, err
	}
	d := describe(n, h.c.options.Mode)
	return control.Answer{Nodes: []control.Node{d}, Note: note}, nil
}

// find finds a server by its name, its id or its short name.
func (c *Cluster) find(ctx context.Context, name string) (*node, error) {
	n, unknown := c.servers.named(name)
	if unknown == nil {
		return n, nil
	}
	for _, d := range c.Describe(ctx) {
		if name != "" && (d.ID == name || d.ShortName == name) {
			return c.servers.named(d.Name)
		}
	}
	return nil, unknown
}

// Describe lists all servers with all their names. The short names are the agency's: they are missing if no
// agent answers within a second.
func (c *Cluster) Describe(ctx context.Context) []control.Node {
	short := c.shortNames(ctx)
	var all []control.Node
	for _, n := range c.servers.all() {
		d := describe(n, c.options.Mode)
		d.ShortName = short[d.ID]
		all = append(all, d)
	}
	return all
}

// describe tells of a node without asking others. A server of this process has this process's id.
func describe(n *node, mode Mode) control.Node {
	d := n.describe()
	if mode == InProcess && n.running() != nil {
		d.PID = os.Getpid()
	}
	return control.Node{Name: d.Name, ID: d.ID, Role: d.Role, PID: d.PID, Dir: d.Dir, URL: d.URL, Port: d.Port, State: d.State, Reason: d.Broken}
}

// shortNames are the names that the agency gives to servers, by id.
func (c *Cluster) shortNames(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, namesLimit)
	defer cancel()
	o := c.observe()
	defer o.close()
	root, err := o.agency.Read(ctx, keys.ShortIDs)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			c.options.Logger.Debug("short names are not known", "error", err)
		}
		return nil
	}
	short := map[string]string{}
	for id, entry := range root.At(keys.ShortIDs).Children() {
		short[id] = entry.At("ShortName").Text()
	}
	return short
}
