package anomaly

import (
	"fmt"
	"maps"
	"slices"
)

// kind is why a transaction comes before another.
type kind uint8

const (
	ww kind = 1 << iota
	wr
	rw
)

var kindNames = map[kind]string{ww: "ww", wr: "wr", rw: "rw"}

// edge says that a transaction comes before another.
type edge struct {
	from, to int
	kind     kind
	key      string
}

// graph is which transaction comes before which.
type graph struct {
	txns []Txn
	out  [][]edge
}

// graph makes the edges that the lists tell.
func (h *history) graph() *graph {
	g := &graph{txns: h.txns, out: make([][]edge, len(h.txns))}
	done := map[edge]bool{}
	add := func(from, to int, k kind, key string) {
		e := edge{from, to, k, key}
		if from == to || done[e] {
			return
		}
		done[e] = true
		g.out[from] = append(g.out[from], e)
	}
	at := map[element]int{} // where an element is in its list
	for _, key := range slices.Sorted(maps.Keys(h.order)) {
		list := h.order[key]
		for i, v := range list {
			at[element{key, v}] = i
			if i > 0 {
				h.between(key, list[i-1], v, func(from, to int) { add(from, to, ww, key) })
			}
		}
	}
	for i, t := range h.txns {
		if t.Outcome != Committed {
			continue
		}
		for _, o := range t.Ops {
			h.sight(i, o, at, add)
		}
	}
	return g
}

// between calls add with those who appended two elements, if they are known.
func (h *history) between(key string, before, after int, add func(from, to int)) {
	a, known := h.writer[element{key, before}]
	b, too := h.writer[element{key, after}]
	if known && too {
		add(a.txn, b.txn)
	}
}

// sight adds what follows from what a transaction saw: it comes after who appended the last element, and before who appended the next.
// What it appended itself is no sight.
func (h *history) sight(i int, o Op, at map[element]int, add func(from, to int, k kind, key string)) {
	saw := o.Saw
	for len(saw) > 0 && h.writer[element{o.Key, saw[len(saw)-1]}].txn == i {
		saw = saw[:len(saw)-1]
	}
	next := 0
	if len(saw) > 0 {
		last := element{o.Key, saw[len(saw)-1]}
		w, known := h.writer[last]
		if !known {
			return
		}
		add(w.txn, i, wr, o.Key)
		next = at[last] + 1
	}
	if list := h.order[o.Key]; next < len(list) {
		if w, known := h.writer[element{o.Key, list[next]}]; known {
			add(i, w.txn, rw, o.Key)
		}
	}
}

// text prints a cycle.
func (g *graph) text(cycle []edge) string {
	text := g.txns[cycle[0].from].Name
	for _, e := range cycle {
		text += fmt.Sprintf(" -%s %s-> %s", kindNames[e.kind], e.key, g.txns[e.to].Name)
	}
	return text
}

// components gives each transaction the number of its strongly connected component, by the edges of some kinds. It is Tarjan's
// algorithm, without recursion.
func (g *graph) components(of kind) []int {
	n := len(g.out)
	t := tarjan{index: make([]int, n), low: make([]int, n), on: make([]bool, n), component: make([]int, n)}
	for v := range n {
		if t.index[v] == 0 {
			t.visit(g, v, of)
		}
	}
	return t.component
}

type tarjan struct {
	index, low []int // index 0: not visited
	on         []bool
	stack      []int
	component  []int
	next, made int
}

// visit visits what can be reached from a transaction.
func (t *tarjan) visit(g *graph, root int, of kind) {
	type frame struct{ v, at int }
	frames := []frame{{v: root}}
	for len(frames) > 0 {
		f := &frames[len(frames)-1]
		if f.at == 0 {
			t.enter(f.v)
		}
		if f.at < len(g.out[f.v]) {
			e := g.out[f.v][f.at]
			f.at++
			switch {
			case e.kind&of == 0:
			case t.index[e.to] == 0:
				frames = append(frames, frame{v: e.to})
			case t.on[e.to]:
				t.low[f.v] = min(t.low[f.v], t.index[e.to])
			}
			continue
		}
		t.leave(f.v)
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			parent := frames[len(frames)-1].v
			t.low[parent] = min(t.low[parent], t.low[f.v])
		}
	}
}

func (t *tarjan) enter(v int) {
	if t.index[v] != 0 {
		return
	}
	t.next++
	t.index[v], t.low[v], t.on[v] = t.next, t.next, true
	t.stack = append(t.stack, v)
}

// leave makes a component of those above v, if v was the first of it.
func (t *tarjan) leave(v int) {
	if t.low[v] != t.index[v] {
		return
	}
	t.made++
	for {
		w := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.on[w], t.component[w] = false, t.made
		if w == v {
			return
		}
	}
}
