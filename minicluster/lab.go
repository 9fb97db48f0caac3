package minicluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stasis/event"
	"stasis/fault/control"
)

// orderLimit bounds the wait for a process to carry an order out: one that is paused never does.
const orderLimit = 5 * time.Second

// Client is what scenarios call the host of all clients. A cluster over TCP cannot break their connections.
const Client = "client"

// Lab breaks a cluster that was started with [Options.Lab], in both modes. All methods may be called from any
// goroutine. An order goes to the processes that it concerns: a rule about a link to both ends, one about a disk to the
// server whose disk it is. A process that was killed and started again has no rules.
type Lab struct {
	servers *members
	turn    chan struct{}    // one token: who has it may order the network
	wires   map[string]*wire // by server; in process all are the same
	here    *wire            // to this process, in mode InProcess
	faults  *control.Faults  // of this process, in mode InProcess
	end     func()           // ends here
	gone    func() error     // closes the network of this process
}

// Do carries an order out. The answer's Rules are those that were made, one for each process that has it, with the
// process in Holder, if there are several. If one end of a link takes a rule and the other does not answer, Silent says so.
func (l *Lab) Do(ctx context.Context, o control.Order) (control.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	nodes, err := l.concerned(o)
	if err != nil {
		return control.Answer{}, err
	}
	if o.OfNetwork() { // one order after the other, or two about a link could each win at one of its ends
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return control.Answer{}, control.Errorf(control.Silent, "%q was not done: another order is being carried out (%v)", o.Do, context.Cause(ctx))
		}
		defer func() { <-l.turn }()
	}
	answers, errs := make([]control.Answer, len(nodes)), make([]error, len(nodes))
	_ = together(nodes, func(n *node) error { // what went wrong is in errs
		i := slices.Index(nodes, n)
		answers[i], errs[i] = l.ask(ctx, n, o)
		return nil
	})
	all := control.Answer{Silent: map[string]string{}}
	some := false
	for i, n := range nodes {
		some = some || errs[i] == nil
		if errs[i] != nil {
			all.Silent[n.name] = errs[i].Error()
			continue
		}
		all.Met += answers[i].Met
		made := answers[i].Rules
		if r := answers[i].Rule; r != nil {
			made = append(made, *r)
		}
		for _, r := range made {
			r.Holder = l.holder(n)
			all.Rules = append(all.Rules, r)
		}
		for _, r := range answers[i].Replaced {
			r.Holder = l.holder(n)
			all.Replaced = append(all.Replaced, r)
		}
	}
	if o.Do == control.RuleList { // what is not known is not an error, but not silent either
		return all, nil
	}
	if !some || serious(errs) {
		return all, errors.Join(errs...)
	}
	return all, nil
}

// serious reports whether a process refused an order. One that does not run, or does not answer, is another matter: the
// order may work at the other end.
func serious(errs []error) bool {
	return slices.ContainsFunc(errs, func(err error) bool {
		return err != nil && !errors.Is(err, control.NotRunning) && !errors.Is(err, control.Silent) && !errors.Is(err, control.Lost)
	})
}

func (l *Lab) ask(ctx context.Context, n *node, o control.Order) (control.Answer, error) {
	c, err := l.wires[n.name].client(ctx, n)
	if err != nil {
		return control.Answer{}, err
	}
	return c.Do(ctx, o)
}

// concerned are the nodes whose processes an order goes to.
func (l *Lab) concerned(o control.Order) ([]*node, error) {
	switch o.Do {
	case control.NetCut, control.NetHeal, control.NetDelay, control.NetThrottle, control.NetDrop, control.NetReset, control.NetMet:
		return l.ends(o.From, o.To, false)
	case control.NetLatency:
		return l.ends(o.From, o.To, true)
	case control.NetMessage:
		if o.Message == nil {
			return nil, control.Errorf(control.BadOrder, "a rule about messages needs the message")
		}
		return l.ends(o.Message.From, o.Message.To, true)
	case control.NetIsolate, control.NetRejoin: // the rules of a connection are met where it was dialed
		if _, err := l.ends(o.Server, o.Server, false); err != nil {
			return nil, err
		}
		return l.once(l.running()), nil
	case control.NetFreeze, control.NetThaw:
		return l.ends(o.Server, o.Server, false)
	case control.NetHealAll, control.RuleList, control.HealAll, control.Buggify:
		return l.once(l.running()), nil
	}
	if o.Server == "" && l.faults != nil { // there is one process
		return l.servers.all()[:1], nil
	}
	n, err := l.servers.named(o.Server)
	if err != nil {
		return nil, l.unknown(o.Server)
	}
	return []*node{n}, nil
}

// holder is whose process has a rule; "" if there is one process.
func (l *Lab) holder(n *node) string {
	if l.faults != nil {
		return ""
	}
	return n.name
}

// ends are the servers at the ends of a link. Clients are no host: rules are met where a connection is dialed, and
// clients dial in programs that take no orders.
func (l *Lab) ends(from, to string, any bool) ([]*node, error) {
	var nodes []*node
	for _, name := range []string{from, to} {
		n, err := l.servers.named(name)
		switch {
		case name == "" && any:
			nodes = l.running()
		case name == Client:
			return nil, control.Errorf(control.CannotDo, "the connections of clients cannot be broken in this cluster: the rules of a connection are met by the process that dials it, and clients take no orders. Freeze or pause the server instead")
		case err != nil:
			return nil, l.unknown(name)
		case !slices.Contains(nodes, n):
			nodes = append(nodes, n)
		}
	}
	return l.once(nodes), nil
}

// once are the nodes without those whose process another one stands for.
func (l *Lab) once(nodes []*node) (some []*node) {
	seen := map[*wire]bool{}
	for _, n := range nodes {
		if w := l.wires[n.name]; !seen[w] {
			seen[w] = true
			some = append(some, n)
		}
	}
	return some
}

func (l *Lab) running() []*node {
	return slices.DeleteFunc(l.servers.all(), func(n *node) bool { return n.running() == nil })
}

// unknown is the error for a name that no host has. It lists those there are.
func (l *Lab) unknown(name string) error {
	return control.Errorf(control.NoSuchServer, "there is no server %q: there are %s", name, strings.Join(l.servers.names(), ", "))
}

// Rule is [Lab.Do] for an order that makes a rule.
func (l *Lab) Rule(ctx context.Context, o control.Order) (*LabRule, error) {
	a, err := l.Do(ctx, o)
	if err != nil {
		return nil, err
	}
	return &LabRule{lab: l, rules: a.Rules}, nil
}

// LabRule is a rule that was made, in all processes that have it.
type LabRule struct {
	lab   *Lab
	rules []control.Rule
}

// Met is how often it was met, as far as it is known: a process that has ended takes what it knew along.
func (r *LabRule) Met(ctx context.Context) (met int, err error) { return r.each(ctx, control.RuleMet) }

// End takes the rule back. A process that has ended has no rules.
func (r *LabRule) End(ctx context.Context) error {
	_, err := r.each(ctx, control.RuleEnd)
	return err
}

func (r *LabRule) each(ctx context.Context, do control.Verb) (met int, err error) {
	for _, rule := range r.rules {
		a, failed := r.lab.Do(ctx, control.Order{Do: do, Server: rule.Holder, Rule: rule.ID})
		if failed != nil && !errors.Is(failed, control.NoSuchRule) && !errors.Is(failed, control.NotRunning) {
			err = errors.Join(err, failed)
		}
		met += a.Met
	}
	return met, err
}

// see is a function that receives events, of several processes one after the other.
type see func(event.Event)
