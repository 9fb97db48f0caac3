package workload

import (
	"fmt"
	"slices"

	"stasis/lab/history"
)

// Exported is the history of a workload between two restores, in a model of elle-cli.
//
// A restore takes writes back that clients have seen. That is no anomaly, and Elle knows of no restore: so a history is
// cut there, and each part is whole by itself. A part that begins with a restore begins with one transaction, which writes what
// was restored. A part from which a backup was restored later has one more transaction, which reads all that the backup has, and
// was in flight while the backup was taken: if a backup is not one instant, the part has no order.
type Exported struct {
	Workload string // its name in the history
	Model    string // of elle-cli
	Restores int    // how many came before
	Events   []history.Event
}

// Export gives the histories of all workloads. Those of which elle-cli has no model are in without.
func Export(h *history.History) (all []Exported, without []string, err error) {
	loads, err := Recorded(h)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range loads {
		l := w.(*load)
		model, as := l.kind.translate()
		if model == "" {
			without = append(without, l.label)
			continue
		}
		parts, err := l.parts(as)
		if err != nil {
			return nil, nil, fmt.Errorf("workload %s: %w", l.label, err)
		}
		for i, events := range parts {
			all = append(all, Exported{Workload: l.label, Model: model, Restores: i, Events: events})
		}
	}
	return all, without, nil
}

// parts are the events between restores.
func (l *load) parts(as history.Translate) ([][]history.Event, error) {
	ops := l.h.Ops()
	restores, err := l.restores(ops)
	if err != nil {
		return nil, err
	}
	p := elle{as: as, made: map[uint64]mops{}}
	for _, o := range ops {
		p.processes = max(p.processes, o.Process+1)
		if o.Workload == l.label && !o.Note() && o.Write() && o.Outcome == history.Info {
			p.loose = append(p.loose, o)
		}
	}
	var all [][]history.Event
	for i := range len(restores) + 1 {
		begun := history.Moment{}
		if i > 0 {
			begun = restores[i-1].end
		}
		g, err := l.generation(begun)
		if err != nil {
			return nil, err
		}
		events, err := p.part(g, restores)
		if err != nil {
			return nil, err
		}
		all = append(all, events)
	}
	return all, nil
}

// elle writes histories as Elle reads them.
type elle struct {
	as        history.Translate
	processes int             // the next number
	loose     []history.Op    // the writes whose outcome is unknown: they may be done at any time after their beginning
	made      map[uint64]mops // that no client has made, by the order of their beginnings
}

// mops are the operations of a transaction, as they were asked for and as they were answered.
type mops struct{ asked, answered []any }

// part are the events of a generation.
func (p *elle) part(g generation, restores []restore) ([]history.Event, error) {
	var ops []history.Op
	there := map[string]bool{} // the writes that the generation began with
	if begun := p.reads(sortedKeys(g.base), g.base); len(begun.answered) > 0 {
		wrote := writesOf(begun.answered)
		for _, w := range wrote {
			there[fmt.Sprint(w)] = true
		}
		i := slices.IndexFunc(restores, func(r restore) bool { return r.end == g.at })
		ops = append(ops, p.make(restores[i].begin, g.at, mops{wrote, wrote}))
	}
	for _, o := range g.ops {
		_, asked, _, use := p.as(o)
		if !use {
			return nil, fmt.Errorf("operation %d of the history is none of the model", o.BeginOrder)
		}
		if o.BeginOrder < g.at.Order && slices.ContainsFunc(asked.([]any), func(m any) bool { return there[fmt.Sprint(m)] }) {
			continue // it was done before, and is in what was restored
		}
		if g.end.Order != 0 && o.EndOrder > g.end.Order {
			o.Outcome, o.End, o.EndOrder = history.Info, 0, 0 // it ended in another part
		}
		ops = append(ops, o)
	}
	for _, r := range restores {
		if asked := r.cut.Asked.Order; asked > g.at.Order && (g.end.Order == 0 || asked < g.end.Order) {
			ops = append(ops, p.backup(g, r))
		}
	}
	return history.Events(ops, func(o history.Op) (string, any, any, bool) {
		if t, made := p.made[o.BeginOrder]; made {
			return "txn", t.asked, t.answered, true
		}
		return p.as(o)
	}), nil
}

// backup is the transaction that reads a backup. What a client saw after the restore stands for it, so documents that a late write
// had changed by then are left out: what the backup has of them is not known.
func (p *elle) backup(g generation, r restore) history.Op {
	keys, late := map[string]bool{}, p.late(r)
	for _, o := range g.ops {
		if _, asked, _, use := p.as(o); use {
			for _, m := range asked.([]any) {
				keys[m.([]any)[1].(string)] = true
			}
		}
	}
	for _, state := range []State{g.base, r.base} {
		for key := range state {
			keys[key] = true
		}
	}
	for key := range r.base {
		if slices.ContainsFunc(writesOf(p.reads([]string{key}, r.base).answered), func(w any) bool { return late[fmt.Sprint(w)] }) {
			delete(keys, key)
		}
	}
	returned := r.cut.Returned
	if returned.Order == 0 { // it is not known when: the restore began later
		returned = g.end
	}
	return p.make(r.cut.Asked, returned, p.reads(sortedKeys(keys), r.base))
}

// late are the writes that began when the backup of a restore had been taken, and whose outcome is unknown: if what was
// restored has one, it was done after the restore.
func (p *elle) late(r restore) map[string]bool {
	all := map[string]bool{}
	for _, o := range p.loose {
		if _, asked, _, use := p.as(o); use && r.cut.Returned.Order != 0 && o.BeginOrder > r.cut.Returned.Order {
			for _, w := range asked.([]any) {
				all[fmt.Sprint(w)] = true
			}
		}
	}
	return all
}

// reads is the transaction that reads keys of a state.
func (p *elle) reads(keys []string, state State) (t mops) {
	for _, key := range keys {
		_, asked, answered, _ := p.as(history.Op{Kind: history.Read, Key: key, Result: state[key], Outcome: history.OK})
		t.asked, t.answered = append(t.asked, asked.([]any)...), append(t.answered, answered.([]any)...)
	}
	return t
}

// make makes an operation of a process of its own.
func (p *elle) make(begin, end history.Moment, t mops) history.Op {
	p.made[begin.Order] = t
	p.processes++
	return history.Op{Process: p.processes - 1, Begin: begin.At, BeginOrder: begin.Order, End: end.At, EndOrder: end.Order, Outcome: history.OK}
}

// writesOf are the writes after which reads see what they have seen.
func writesOf(reads []any) (all []any) {
	for _, r := range reads {
		key := r.([]any)[1].(string)
		switch seen := r.([]any)[2].(type) {
		case nil:
		case []any:
			for _, e := range seen {
				all = append(all, micro("append", key, e)...)
			}
		default:
			all = append(all, micro("w", key, seen)...)
		}
	}
	return all
}
