package control

import (
	"slices"
	"sync"
	"time"
)

// rules are what is in force in a process, in the order in which it was made.
type rules struct {
	mu   sync.Mutex // guards the list; not held while a rule is undone
	last int64
	all  []*standing
}

// standing is a rule in force.
type standing struct {
	Rule
	met  func() int
	undo func()
}

// none is how often a rule was met that does not count.
func none() int { return 0 }

func (r *standing) now() Rule {
	rule := r.Rule
	rule.Met += r.met()
	return rule
}

// add notes a rule.
func (r *rules) add(rule Rule, met func() int, undo func()) Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	rule.ID, rule.Since = r.last, time.Now().UTC()
	r.all = append(r.all, &standing{Rule: rule, met: met, undo: undo})
	return rule
}

func (r *rules) list() []Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Rule{}
	for _, rule := range r.all {
		list = append(list, rule.now())
	}
	return list
}

func (r *rules) find(id int64) (Rule, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rule := range r.all {
		if rule.ID == id {
			return rule.now(), true
		}
	}
	return Rule{}, false
}

// take takes those out of the list that are selected. What they do goes on.
func (r *rules) take(selected func(Rule) bool) (taken []*standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(rule *standing) bool {
		if selected(rule.Rule) {
			taken = append(taken, rule)
			return true
		}
		return false
	})
	return taken
}

// end takes a rule back. ok is false if there is none.
func (r *rules) end(id int64) (Rule, bool) {
	for _, rule := range r.take(func(rule Rule) bool { return rule.ID == id }) {
		last := rule.now() // a rule that is over counts nothing
		rule.undo()
		return last, true
	}
	return Rule{}, false
}

func (r *rules) endAll() {
	for _, rule := range r.take(func(Rule) bool { return true }) {
		rule.undo()
	}
}

// endThose takes rules back.
func (r *rules) endThose(selected func(Rule) bool) {
	for _, rule := range r.take(selected) {
		rule.undo()
	}
}

// drop forgets a rule of a kind about a server: another one has taken its place.
func (r *rules) drop(kind, server string) {
	r.take(func(rule Rule) bool { return rule.Kind == kind && rule.Server == server })
}
