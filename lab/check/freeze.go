package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/fsm"
)

// freeze is one time in which Plan was frozen, by the agency's log.
type freeze struct {
	holder   keys.Holder
	from, to uint64   // indexes; to 0: it goes on
	changes  []string // of Plan, meanwhile
	waited   []string // jobs that were to be done when it ended
}

func newFreeze(root *fsm.Node, index uint64) *freeze {
	f := &freeze{from: index}
	if err := root.At(keys.HotBackupHolder).Decode(&f.holder); err != nil {
		f.holder = keys.Holder{Operation: "an operation without a holder"}
	}
	return f
}

// freezes are those of a run, in the order of the log.
type freezes []*freeze

// present is the freeze that goes on; nil if Plan is not frozen.
func (all freezes) present() *freeze {
	if n := len(all); n > 0 && all[n-1].to == 0 {
		return all[n-1]
	}
	return nil
}

// begin notes that a tree was read whole.
func (all *freezes) begin(root *fsm.Node, index uint64) {
	if f := all.present(); f != nil {
		f.to = index // its end was not seen
	}
	if fsm.Frozen(root) {
		*all = append(*all, newFreeze(root, index))
	}
}

// entry notes what an entry of the log does to the freeze of Plan, and what it does although Plan is frozen.
func (all *freezes) entry(before, after *fsm.Node, e fsm.Entry) {
	f := all.present()
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
		*all = append(*all, newFreeze(after, e.Index))
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

// violations are what was wrong with the freezes. now is the tree at the end, when everything that waited has to be done.
func (all freezes) violations(now *fsm.Node) (found []string) {
	open := map[string]bool{}
	for _, queue := range []string{keys.TargetToDo, keys.TargetPending} {
		for _, id := range children(now, queue) {
			open[id] = true
		}
	}
	for _, f := range all {
		what := fmt.Sprintf("Plan was frozen for %s %s from index %d on", f.holder.Operation, f.holder.ID, f.from)
		for _, c := range f.changes {
			found = append(found, what+", and "+c)
		}
		for _, id := range f.waited {
			if open[id] {
				found = append(found, what+": job "+id+" waited for the thaw, and is not done")
			}
		}
	}
	return found
}
