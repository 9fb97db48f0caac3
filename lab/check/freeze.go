package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/lab/verdict"
)

// freeze is one time in which Plan was frozen, by the agency's log.
type freeze struct {
	holder   keys.Holder
	from, to uint64   // indexes; to 0: it goes on
	changes  []string // of Plan, meanwhile
	waited   []string // jobs that were to be done when it ended
	unseen   bool     // a part of it is in a gap
}

func newFreeze(root *fsm.Node, index uint64) *freeze {
	f := &freeze{from: index}
	if err := root.At(keys.HotBackupHolder).Decode(&f.holder); err != nil {
		f.holder = keys.Holder{Operation: "an operation without a holder"}
	}
	return f
}

// present is the freeze that goes on; nil if Plan is not frozen.
func (p *Plans) present() *freeze {
	if n := len(p.freezes); n > 0 && p.freezes[n-1].to == 0 {
		return p.freezes[n-1]
	}
	return nil
}

// freeze notes what an entry of the log does to the freeze of Plan, and what it does although Plan is frozen.
func (p *Plans) freeze(before, after *fsm.Node, e fsm.Entry) {
	f := p.present()
	// The one change that a freeze allows is that of a restore, which shows the nonce of the lock.
	if f != nil && f.holder.Operation != keys.OperationRestore && !fsm.Equal(before.At(keys.Plan), after.At(keys.Plan)) {
		f.changes = append(f.changes, fmt.Sprintf("entry %d changed %s", e.Index, strings.Join(planPaths(e), ", ")))
	}
	is := fsm.Frozen(after)
	other := f != nil && is && before.At(keys.HotBackupNonce).Text() != after.At(keys.HotBackupNonce).Text()
	if f != nil && (!is || other) {
		f.to, f.waited = e.Index, children(after, keys.TargetToDo)
		f = nil
	}
	if is && f == nil {
		p.freezes = append(p.freezes, newFreeze(after, e.Index))
	}
}

// forgetFreeze ends a freeze whose end was not seen.
func (p *Plans) forgetFreeze(index uint64) {
	if f := p.present(); f != nil {
		f.to, f.unseen = index, true
	}
}

// planPaths are the paths of an entry that are at Plan, below or above.
func planPaths(e fsm.Entry) []string {
	var operations map[string]json.RawMessage
	if err := json.Unmarshal(e.Query, &operations); err != nil {
		return []string{"Plan"} // it was applied, so it is JSON
	}
	const plan = keys.Plan + "/"
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(operations)), func(path string) bool {
		path = "/" + strings.Trim(path, "/") + "/"
		return !strings.HasPrefix(path, plan) && !strings.HasPrefix(plan, path)
	})
	if len(all) == 0 {
		return []string{"what had a time to live in Plan"}
	}
	return all
}

func children(root *fsm.Node, key string) []string {
	return slices.Sorted(maps.Keys(maps.Collect(root.At(key).Children())))
}

// frozen is what was wrong with the freezes that the log shows. What waited for a thaw has to be done when this is asked.
func (p *Plans) frozen() []verdict.Violation {
	p.mu.Lock()
	defer p.mu.Unlock()
	open := map[string]bool{}
	for _, queue := range []string{keys.TargetToDo, keys.TargetPending} {
		for _, id := range children(p.root, queue) {
			open[id] = true
		}
	}
	var found []verdict.Violation
	for _, f := range p.freezes {
		what := fmt.Sprintf("Plan was frozen for %s %s from index %d on", f.holder.Operation, f.holder.ID, f.from)
		for _, c := range f.changes {
			found = append(found, verdict.Violation{Check: checkFrozen, Text: what + ", and " + c})
		}
		for _, id := range f.waited {
			if open[id] {
				found = append(found, verdict.Violation{Check: checkFrozen, Text: what + ": job " + id + " waited for the thaw, and is not done"})
			}
		}
	}
	return found
}

// Unknown is what of Plan was not seen; nothing if all was.
func (p *Plans) Unknown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	if !p.root.Exists() {
		all = append(all, "no agent has answered: no version of Plan is known")
	}
	for _, g := range p.gaps {
		all = append(all, fmt.Sprintf("the agency's log between index %d and %d was cut off before it was read", g.after, g.before))
	}
	return all
}
