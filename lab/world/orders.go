package world

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stasis/fault/control"
	"stasis/minicluster"
)

// orders are given to the processes of a cluster. Those that stand are given again to a process that is started, and to one
// that could not take them while it was paused.
type orders struct {
	lab      *minicluster.Lab
	runs     func(server string) bool // its process runs, and is not paused
	turn     chan struct{}            // one token: who has it may use what follows, also while an order is carried out
	standing []*order
	owed     map[string]bool // servers that have not taken an order, or have not taken one back
}

func newOrders(lab *minicluster.Lab, runs func(server string) bool) *orders {
	return &orders{lab: lab, runs: runs, turn: make(chan struct{}, 1), owed: map[string]bool{}}
}

// order is an order that stands until it is taken back.
type order struct {
	control.Order
	all   *orders
	key   string // the one that takes its place, and what takes it back, have the same; "": none
	stays bool   // it is no fault: healing leaves it
	seen  seen
}

// seen is what an order has met.
type seen struct {
	rules []control.Rule // those that it made, with their holders
	met   int            // in processes that have ended, as far as it is known
}

// concerns reports whether the process of a server has to have the order.
func (o *order) concerns(server string) bool {
	switch {
	case o.Message != nil:
		from, to := o.Message.From, o.Message.To
		return from == "" || to == "" || from == server || to == server
	case o.From != "" || o.To != "":
		return o.From == server || o.To == server
	case o.Do == control.NetIsolate: // the rules of a connection are met where it was dialed
		return true
	}
	return o.Server == "" || o.Server == server
}

// began notes the rules that a process has made.
func (o *order) began(rules ...control.Rule) { o.seen.rules = append(o.seen.rules, rules...) }

// forget forgets the rules that a process has, but not what they met.
func (o *order) forget(server string) {
	o.seen.rules = slices.DeleteFunc(o.seen.rules, func(r control.Rule) bool {
		if r.Holder == server {
			o.seen.met += r.Met
		}
		return r.Holder == server
	})
}

// with does something in turn.
func (a *orders) with(do func()) {
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	do()
}

// send sends an order, in turn. That servers do not run, or are paused, is no error: they are given what stands when they
// run again. One that runs and does not answer is an error: it is not known whether the fault is there.
func (a *orders) send(o control.Order) (control.Answer, error) {
	answer, err := a.lab.Do(context.Background(), o) // it has a limit of its own
	if unanswered(err) {
		err = nil
	}
	for server, why := range answer.Silent {
		if a.owed[server] = true; a.runs(server) {
			err = errors.Join(err, fmt.Errorf("%s: the order %q: %s", server, o.Do, why))
		}
	}
	return answer, err
}

// unanswered reports whether an order failed because those do not run, or do not answer, who were to carry it out.
func unanswered(err error) bool {
	if err == nil {
		return false
	}
	for _, refusal := range []control.Code{
		control.BadOrder, control.NoLab, control.NoSuchServer, control.NoSuchRule, control.CannotDo, control.OtherVersion, control.Failed,
	} {
		if errors.Is(err, refusal) {
			return false
		}
	}
	return errors.Is(err, control.NotRunning) || errors.Is(err, control.Silent) || errors.Is(err, control.Lost)
}

// once gives an order that is done with when it is carried out.
func (a *orders) once(o control.Order) (answer control.Answer, err error) {
	a.with(func() { answer, err = a.send(o) })
	return answer, err
}

// stand gives an order that stands. It takes the place of the one with its key.
func (a *orders) stand(one order) (o *order, err error) {
	a.with(func() {
		var answer control.Answer
		if answer, err = a.send(one.Order); err != nil {
			return
		}
		a.drop(func(other *order) bool { return one.key != "" && other.key == one.key })
		o = &one
		o.all = a
		o.began(answer.Rules...)
		a.standing = append(a.standing, o)
	})
	return o, err
}

// takeBack ends the order with a key by another order.
func (a *orders) takeBack(key string, by control.Order) error {
	return a.takeBackThose(func(o *order) bool { return o.key == key }, by)
}

func (a *orders) takeBackThose(which func(*order) bool, by control.Order) (err error) {
	a.with(func() {
		a.drop(which)
		_, err = a.send(by)
	})
	return err
}

// drop lets orders stand no longer. What they have met stays known.
func (a *orders) drop(which func(*order) bool) {
	for _, o := range a.standing {
		if !which(o) {
			continue
		}
		o.settle()
	}
	a.standing = slices.DeleteFunc(a.standing, which)
}

// settle notes what the rules of an order have met, which are about to end.
func (o *order) settle() {
	for i := range o.seen.rules {
		o.ask(&o.seen.rules[i])
		o.seen.met += o.seen.rules[i].Met
	}
	o.seen.rules = nil
}

// heal takes all faults back. Processes take all back but their latency, and are given again what is no fault.
func (a *orders) heal() (err error) {
	a.with(func() {
		a.drop(func(o *order) bool { return !o.stays })
		for _, o := range a.standing {
			o.settle()
		}
		_, err = a.send(control.Order{Do: control.HealAll})
		for _, o := range a.standing {
			if o.Do == control.NetLatency {
				continue
			}
			answer, failed := a.send(o.Order)
			o.began(answer.Rules...)
			err = errors.Join(err, failed)
		}
	})
	return err
}

// Met counts what the order met, as far as it is known: a process that is killed by others takes what it knew along.
func (o *order) Met() (met int) {
	o.all.with(func() {
		met = o.seen.met
		for i := range o.seen.rules {
			o.ask(&o.seen.rules[i])
			met += o.seen.rules[i].Met
		}
	})
	return met
}

// ask brings what is known of a rule up to date, if its process answers.
func (o *order) ask(r *control.Rule) {
	if a, err := o.all.lab.Do(context.Background(), control.Order{Do: control.RuleMet, Server: r.Holder, Rule: r.ID}); err == nil {
		r.Met = max(r.Met, a.Met)
	}
}

// End takes the order back.
func (o *order) End() {
	o.all.with(func() {
		for i := range o.seen.rules {
			r := &o.seen.rules[i]
			a, err := o.all.lab.Do(context.Background(), control.Order{Do: control.RuleEnd, Server: r.Holder, Rule: r.ID})
			if r.Met = max(r.Met, a.Met); err != nil && !errors.Is(err, control.NoSuchRule) {
				o.all.owed[r.Holder] = true // it is told when it answers
			}
			o.seen.met += r.Met
		}
		o.seen.rules = nil
		o.all.drop(func(other *order) bool { return other == o })
	})
}
