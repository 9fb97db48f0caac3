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
	tell func(*Rule) // fills in how it is now
	undo func()
}

// none is how often a rule was met that does not count.
func none() int { return 0 }

// sinceNow counts what a counter counts from now on.
func sinceNow(count func() int) func() int {
	before := count()
	return func() int { return max(count()-before, 0) }
}

func (r *standing) now() Rule {
	rule := r.Rule
	r.tell(&rule)
	return rule
}

// add notes a rule of which is known how often it was met.
func (r *rules) add(rule Rule, met func() int, undo func()) Rule {
	return r.addTold(rule, func(now *Rule) { now.Met += met() }, undo)
}

// addTold notes a rule.
func (r *rules) addTold(rule Rule, tell func(*Rule), undo func()) Rule {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	rule.ID, rule.Since = r.last, time.Now().UTC()
	r.all = append(r.all, &standing{Rule: rule, tell: tell, undo: undo})
	return rule
}

// made reports whether there was such a rule.
func (r *rules) made(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 0 < id && id <= r.last
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
func (r *rules) drop(kind, server string) []Rule {
	return last(r.take(func(rule Rule) bool { return rule.Kind == kind && rule.Server == server }))
}

// last is how rules were when they ended.
func last(taken []*standing) (rules []Rule) {
	for _, rule := range taken {
		rules = append(rules, rule.now())
	}
	return rules
}
