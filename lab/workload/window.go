package workload

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"stasis/lab/history"
)

// ErrUndecided says that it is not known whether a state is as it should be: to find out would take too long.
var ErrUndecided = errors.New("undecided")

// window are the moments at which the instant of a state can be. The instant number i comes after the i-th moment, and before
// the next one. Between two moments nothing happened that a client knows of.
type window []history.Moment

// windowOf cuts the time between two moments at all beginnings and ends. There is always an instant: that after the first.
func windowOf(ops []history.Op, cut Cut) window {
	w := window{cut.Asked}
	add := func(m history.Moment) {
		if m.Order > cut.Asked.Order && (cut.Returned.Order == 0 || m.Order < cut.Returned.Order) {
			w = append(w, m)
		}
	}
	for _, o := range ops {
		add(history.Moment{At: o.Begin, Order: o.BeginOrder})
		if o.EndOrder != 0 {
			add(history.Moment{At: o.End, Order: o.EndOrder})
		}
	}
	slices.SortFunc(w, func(a, b history.Moment) int { return cmp.Compare(a.Order, b.Order) })
	return w
}

// end is when an instant is over, at the latest.
func (w window) end(i int, cut Cut) time.Duration {
	if i+1 < len(w) {
		return w[i+1].At
	}
	return max(w[i].At, cut.Returned.At)
}

// ended says whether an operation was acknowledged before an instant.
func (w window) ended(o history.Op, i int) bool {
	return o.Outcome == history.OK && o.EndOrder <= w[i].Order
}

// first is the number of the first instant after a moment; len(w) if there is none.
func (w window) first(order uint64) int {
	i, _ := slices.BinarySearchFunc(w, order, func(m history.Moment, o uint64) int { return cmp.Compare(m.Order, o) })
	return i
}

// tally counts the writes that the state of an instant has and lacks: those that were acknowledged before, and the others.
func (w window) tally(ops []history.Op, i int, there func(history.Op) bool) (f Findings) {
	for _, o := range ops {
		if !o.Write() || o.Outcome == history.Fail {
			continue
		}
		if o.Outcome == history.Info {
			f.Unknown++
		}
		if w.ended(o, i) || there(o) {
			f.Present++
		} else {
			f.Absent++
		}
	}
	return f
}
