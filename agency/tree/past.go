package tree

import (
	"sync"

	"stasis/fsm"
)

// The past keeps the trees of the last pastKept indices, as long as what only they hold is no more than
// pastBytes bytes.
const (
	pastKept  = 256
	pastBytes = 32 << 20
)

// past has the trees at the last indices. They share everything that has not changed, so a tree costs
// what the changes after it have taken out.
type past struct {
	mu    sync.Mutex
	roots [pastKept]pastRoot
	first uint64 // the oldest index that is kept
	last  uint64
	bytes int64 // what the changes after first have taken out
	all   int64 // what all changes have taken out
}

type pastRoot struct {
	index   uint64
	root    *fsm.Node
	removed int64 // weight that the change to this tree has taken out of the one before
}

func (p *past) note(outcomes []fsm.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range outcomes {
		if o.Index > 0 {
			p.add(pastRoot{o.Index, o.State.Root(), o.Removed})
		}
	}
}

// add keeps one more tree and drops the oldest ones. The caller holds mu.
func (p *past) add(r pastRoot) {
	p.all += min(r.removed, muchRemoved)
	if r.index != p.last+1 || r.removed > pastBytes {
		p.clear(r.index)
	} else {
		p.bytes += r.removed
	}
	for p.first < r.index && (r.index-p.first >= pastKept || p.bytes > pastBytes) {
		p.roots[p.first%pastKept] = pastRoot{}
		p.first++
		next := r
		if p.first < r.index {
			next = p.roots[p.first%pastKept]
		}
		p.bytes -= next.removed
	}
	p.roots[r.index%pastKept], p.last = r, r.index
}

func (p *past) clear(first uint64) {
	clear(p.roots[:])
	p.first, p.bytes = first, 0
}

// muchRemoved stands for an amount that is not known.
const muchRemoved = 1 << 40

// removed is the weight that all changes have taken out of the tree, at most.
func (p *past) removed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// reset forgets all trees: a tree of that weight was replaced as a whole.
func (p *past) reset(weight int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all += min(weight, muchRemoved)
	p.clear(0)
	p.last = 0
}

// at returns the tree at an index, nil if it is not kept.
func (p *past) at(index uint64) *fsm.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.roots[index%pastKept]; r.index == index {
		return r.root
	}
	return nil
}
