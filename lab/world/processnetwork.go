package world

import (
	"errors"
	"time"

	"stasis/fault"
	"stasis/fault/control"
)

// processNetwork breaks the connections between processes by orders to them, and those of clients in this process, which
// dials them.
type processNetwork struct {
	hosts
	orders  *orders
	tallies *tallies
	here    *fault.Network // as the clients have it
	pause   func(server string) error
	resume  func(server string) error
}

func link(do control.Verb, from, to string) control.Order {
	return control.Order{Do: do, From: from, To: to}
}

func key(o control.Order) string { return string(o.Do) + " " + o.From + " " + o.To + " " + o.Server }

// to does something to a link: here if it is one of the clients, and otherwise at its ends.
func (n *processNetwork) to(from, to string, here func(), there func() error) error {
	if err := n.known(from, to); err != nil {
		return err
	}
	if from == Client || to == Client {
		here()
		return nil
	}
	return there()
}

// stand lets a rule of a link stand, in place of the one of its kind.
func (n *processNetwork) stand(o control.Order) error {
	_, err := n.orders.stand(order{Order: o, key: key(o)})
	return err
}

func (n *processNetwork) Cut(from, to string) error {
	return n.to(from, to, func() { n.here.Cut(from, to) }, func() error { return n.stand(link(control.NetCut, from, to)) })
}

func (n *processNetwork) Heal(from, to string) error {
	return n.to(from, to, func() { n.here.Heal(from, to) }, func() error {
		return n.orders.takeBack(key(link(control.NetCut, from, to)), link(control.NetHeal, from, to))
	})
}

func (n *processNetwork) Delay(from, to string, d time.Duration) error {
	return n.to(from, to, func() { n.here.Delay(from, to, d) }, func() error {
		o := link(control.NetDelay, from, to)
		if d == 0 {
			return n.orders.takeBack(key(o), o)
		}
		o.By = d
		return n.stand(o)
	})
}

func (n *processNetwork) Throttle(from, to string, bytesPerSecond int64) error {
	return n.to(from, to, func() { n.here.Throttle(from, to, bytesPerSecond) }, func() error {
		o := link(control.NetThrottle, from, to)
		if bytesPerSecond == 0 {
			return n.orders.takeBack(key(o), o)
		}
		o.Rate = bytesPerSecond
		return n.stand(o)
	})
}

func (n *processNetwork) Drop(from, to string) error {
	return n.to(from, to, func() { n.here.Drop(from, to) }, func() error {
		_, err := n.orders.once(link(control.NetDrop, from, to))
		return err
	})
}

func (n *processNetwork) Reset(a, b string) error {
	return n.to(a, b, func() { n.here.Reset(a, b) }, func() error {
		_, err := n.orders.once(link(control.NetReset, a, b))
		return err
	})
}

func (n *processNetwork) Isolate(host string) error {
	if err := n.known(host); err != nil {
		return err
	}
	n.here.Isolate(host)
	if host == Client {
		return nil
	}
	return n.stand(control.Order{Do: control.NetIsolate, Server: host})
}

func (n *processNetwork) Rejoin(host string) error {
	if err := n.known(host); err != nil {
		return err
	}
	n.here.Rejoin(host)
	if host == Client {
		return nil
	}
	return n.orders.takeBack(key(control.Order{Do: control.NetIsolate, Server: host}), control.Order{Do: control.NetRejoin, Server: host})
}

// Freeze stops the process: that is what freezing a host stands for where there are none.
func (n *processNetwork) Freeze(host string) error {
	if host == Client {
		n.here.Freeze(host)
		return nil
	}
	return n.pause(host)
}

func (n *processNetwork) Thaw(host string) error {
	if host == Client {
		n.here.Thaw(host)
		return nil
	}
	return n.resume(host)
}

// HealAll takes the rules back, and lets those go on that are frozen.
func (n *processNetwork) HealAll() error {
	n.here.HealAll()
	var errs []error
	for _, host := range n.hosts {
		if host != Client {
			errs = append(errs, n.resume(host))
		}
	}
	err := n.orders.takeBackThose(func(o *order) bool { return !o.stays && ofNetwork(o) }, control.Order{Do: control.NetHealAll})
	return errors.Join(append(errs, err)...)
}

func ofNetwork(o *order) bool {
	switch o.Do {
	case control.NetCut, control.NetDelay, control.NetThrottle, control.NetIsolate, control.NetMessage:
		return true
	}
	return false
}

func (n *processNetwork) Message(m fault.Message) (Met, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if err := n.knownOrAny(m.From, m.To); err != nil {
		return nil, err
	}
	var all several
	if m.From != Client && m.To != Client { // nothing asks clients
		o, err := n.orders.stand(order{Order: control.Order{Do: control.NetMessage, Message: &m}})
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	if m.From == Client || m.From == "" {
		all = append(all, n.here.Message(m))
	}
	return all, nil
}

// several are the rules that one fault is made of.
type several []Met

func (s several) Met() (met int) {
	for _, one := range s {
		met += one.Met()
	}
	return met
}

func (s several) End() {
	for _, one := range s {
		one.End()
	}
}

func (n *processNetwork) Met(from, to string) (met int, err error) {
	err = n.to(from, to, func() { met = n.here.Met(from, to) }, func() error {
		met, err = n.tallies.of(from, to)
		return err
	})
	return met, err
}
