package anomaly

import "slices"

// mostAsked is for how many edges of a component a cycle is looked for, at most: the work grows with their number times the size of the
// component.
const mostAsked = 500

// cycles finds the anomalies that are cycles. Snapshots are not in them.
func (g *graph) cycles(f *findings) {
	plain := g.without(func(t Txn) bool { return t.Snapshot })
	plain.close(f, G0, ww, ww)
	plain.close(f, G1c, wr, ww|wr)
	plain.skews(f)
}

// without leaves transactions out.
func (g *graph) without(which func(Txn) bool) *graph {
	plain := &graph{txns: g.txns, out: make([][]edge, len(g.out))}
	for i, out := range g.out {
		if which(g.txns[i]) {
			continue
		}
		plain.out[i] = slices.DeleteFunc(slices.Clone(out), func(e edge) bool { return which(g.txns[e.to]) })
	}
	return plain
}

// close finds cycles of an edge of one kind and others of some kinds, one of each component.
func (g *graph) close(f *findings, n Name, one, others kind) {
	component, done := g.components(one|others), map[int]bool{}
	for _, out := range g.out {
		for _, e := range out {
			c := component[e.from]
			if e.kind != one || c != component[e.to] || done[c] {
				continue
			}
			if back := g.path(e.to, e.from, others, component); back != nil {
				done[c] = true
				f.add(n, g.text(append([]edge{e}, back...)))
			}
		}
	}
}

// skews finds cycles with one rw, and with several.
func (g *graph) skews(f *findings) {
	component, asked := g.components(ww|wr|rw), map[int]int{}
	for _, out := range g.out {
		for _, e := range out {
			c := component[e.from]
			if e.kind != rw || c != component[e.to] || asked[c] == mostAsked {
				continue
			}
			asked[c]++
			if back := g.path(e.to, e.from, ww|wr, component); back != nil {
				f.add(GSingle, g.text(append([]edge{e}, back...)))
				continue
			}
			back := g.path(e.to, e.from, ww|wr|rw, component) // it has an rw: there is none without
			f.add(G2, g.text(append([]edge{e}, back...)))
		}
	}
}

// gaps finds transactions that a snapshot lacks, although it has one that depends on them.
func (g *graph) gaps(f *findings) {
	var all []int // nil: it is no question of components
	for i, t := range g.txns {
		if !t.Snapshot {
			continue
		}
		for _, e := range g.out[i] {
			if back := g.path(e.to, i, ww|wr, all); back != nil {
				f.add(Gap, g.text(append([]edge{e}, back...)))
			}
		}
	}
}

// path is the shortest way from one transaction to another, by edges of some kinds, within the component of the first; nil if there is none.
func (g *graph) path(from, to int, of kind, component []int) []edge {
	came := map[int]edge{}
	queue := []int{from}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, e := range g.out[v] {
			if e.kind&of == 0 || component != nil && component[e.to] != component[from] {
				continue
			}
			if _, seen := came[e.to]; seen || e.to == from {
				continue
			}
			came[e.to] = e
			if e.to == to {
				return back(came, from, to)
			}
			queue = append(queue, e.to)
		}
	}
	return nil
}

// back is the way that a search came.
func back(came map[int]edge, from, to int) (path []edge) {
	for at := to; at != from; at = came[at].from {
		path = append(path, came[at])
	}
	slices.Reverse(path)
	return path
}
