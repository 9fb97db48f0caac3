package anomaly

import (
	"fmt"
	"maps"
	"slices"
)

// element is an element of the list of a key.
type element struct {
	key   string
	value int
}

// appended says who appended an element.
type appended struct {
	txn  int
	last bool // the transaction appended nothing to this list afterwards
}

// history is what transactions did, and the order of each list.
type history struct {
	findings
	txns   []Txn
	writer map[element]appended
	order  map[string][]int // the longest list of each key that was seen
}

func read(txns []Txn) *history {
	h := &history{txns: txns, writer: map[element]appended{}, order: map[string][]int{}}
	for i, t := range txns {
		last := map[string]element{}
		for _, o := range t.Ops {
			if !o.Append {
				continue
			}
			e := element{o.Key, o.Element}
			if w, twice := h.writer[e]; twice {
				h.add(Duplicate, fmt.Sprintf("%s and %s both appended %d to %s", txns[w.txn].Name, t.Name, o.Element, o.Key))
			}
			h.writer[e] = appended{txn: i}
			last[o.Key] = e
		}
		for _, e := range last {
			h.writer[e] = appended{txn: i, last: true}
		}
	}
	return h
}

// seen finds what the lists that were seen show by themselves.
func (h *history) seen() {
	h.lostUpdates()
	for i, t := range h.txns {
		if t.Outcome != Committed {
			continue
		}
		own := map[string][]int{} // what the transaction has to see of lists to which it has appended
		for _, o := range t.Ops {
			if want, wrote := own[o.Key]; wrote && !slices.Equal(want, o.Saw) {
				h.add(Internal, fmt.Sprintf("%s has appended to %s and has to see %v, and saw %v", t.Name, o.Key, want, o.Saw))
			}
			list := o.Saw
			if o.Append {
				list = append(slices.Clone(o.Saw), o.Element)
				own[o.Key] = list
			}
			h.list(i, o.Key, list)
		}
	}
}

// list judges a list that a transaction saw or made.
func (h *history) list(i int, key string, list []int) {
	name := h.txns[i].Name
	there := map[int]bool{}
	for at, v := range list {
		w, known := h.writer[element{key, v}]
		switch {
		case there[v]:
			h.add(Duplicate, fmt.Sprintf("%s saw %d twice in %s: %v", name, v, key, list))
		case !known:
			h.add(Garbage, fmt.Sprintf("%s saw %d in %s, which no one appended", name, v, key))
		case w.txn == i:
		case h.txns[w.txn].Outcome == Aborted:
			h.add(G1a, fmt.Sprintf("%s saw %d in %s, which %s appended, and that was aborted", name, v, key, h.txns[w.txn].Name))
		case at == len(list)-1 && !w.last:
			h.add(G1b, fmt.Sprintf("%s saw %s end with %d, after which %s appended more to it", name, key, v, h.txns[w.txn].Name))
		}
		there[v] = true
	}
	short, long := list, h.order[key]
	if len(short) > len(long) {
		short, long = long, short
	}
	if !slices.Equal(short, long[:len(short)]) {
		h.add(Order, fmt.Sprintf("no order of appends explains %s: %v, and %v (%s)", key, h.order[key], list, name))
	}
	h.order[key] = long
}

// lostUpdates finds transactions that saw the same list first, and appended to it later.
func (h *history) lostUpdates() {
	first := map[string]int{} // by key and list
	for i, t := range h.txns {
		if t.Outcome != Committed {
			continue
		}
		began, wrote := map[string][]int{}, map[string]bool{}
		for _, o := range t.Ops {
			if _, known := began[o.Key]; !known {
				began[o.Key] = o.Saw
			}
			wrote[o.Key] = wrote[o.Key] || o.Append
		}
		for _, key := range slices.Sorted(maps.Keys(wrote)) {
			if !wrote[key] {
				continue
			}
			base := fmt.Sprintf("%q %v", key, began[key])
			if other, taken := first[base]; taken {
				h.add(LostUpdate, fmt.Sprintf("%s and %s both saw %s as %v, and both appended to it", h.txns[other].Name, t.Name, key, began[key]))
				continue
			}
			first[base] = i
		}
	}
}
