package world

import (
	"context"

	"stasis/fault/control"
)

// tallies count what the rules of links have met in the processes at their ends, across the ends of these processes.
type tallies struct {
	orders *orders
	links  map[[2]string]*tally // used in the turn of orders
}

type tally struct {
	gone int // in processes that have ended
	last int // what was told last
}

// of is what was met on a link. While a process at one of its ends is paused, what that one has met since is not known.
func (t *tallies) of(from, to string) (met int, err error) {
	t.orders.with(func() {
		one := t.links[[2]string{from, to}]
		if one == nil {
			one = &tally{}
			t.links[[2]string{from, to}] = one
		}
		var now int
		if now, err = t.ask(from, to); err != nil {
			return
		}
		one.last = max(one.last, one.gone+now)
		met = one.last
	})
	return met, err
}

func (t *tallies) ask(from, to string) (int, error) {
	a, err := t.orders.lab.Do(context.Background(), control.Order{Do: control.NetMet, From: from, To: to})
	if unanswered(err) {
		return 0, nil
	}
	return a.Met, err
}

// across lets the process of a server end, and keeps what it has met.
func (t *tallies) across(server string, end func() error) (err error) {
	before := map[*tally]int{}
	t.orders.with(func() {
		for link, one := range t.links {
			if link[0] == server || link[1] == server {
				before[one], _ = t.ask(link[0], link[1]) // what is not told is lost with the process
			}
		}
	})
	err = end()
	t.orders.with(func() {
		for link, one := range t.links {
			if was, ends := before[one]; ends {
				now, _ := t.ask(link[0], link[1])
				one.gone += max(0, was-now) // what the other end has met, it still tells
			}
		}
	})
	return err
}
