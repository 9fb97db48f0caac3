package check

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/event"
	"stasis/fsm"
)

// tree is a tree of JSON.
func tree(t *testing.T, text string) *fsm.Node {
	t.Helper()
	n, err := fsm.Parse([]byte(text))
	require.NoError(t, err)
	return n
}

// logged are Plans that have begun with a tree at index 10. Nothing is asked.
func logged(t *testing.T, text string) *Plans {
	t.Helper()
	p := &Plans{news: make(chan struct{})}
	require.True(t, p.take(agencyclient.PollResult{ReadDB: tree(t, text), CommitIndex: 10}))
	return p
}

// commit adds an entry of operations.
func (p *Plans) commit(operations string) bool {
	return p.take(agencyclient.PollResult{Log: []fsm.Entry{{Index: p.index + 1, Query: json.RawMessage(operations)}}, CommitIndex: p.index + 1})
}

const (
	lockCreate  = `{"/arango/Target/HotBackup":{"op":"set","new":{"Create":"l","Holder":{"operation":"create","id":"b","nonce":"n"}}}}`
	lockRestore = `{"/arango/Target/HotBackup":{"op":"set","new":{"Create":"l","Holder":{"operation":"restore","id":"b","nonce":"m"}}}}`
	thaw        = `{"/arango/Target/HotBackup/Holder/thawed":{"op":"set","new":"l"}}`
	unlock      = `{"/arango/Target/HotBackup":{"op":"delete"}}`
	plan2       = `{"/arango/Plan/Version":{"op":"set","new":2}}`
	job         = `{"/arango/Target/ToDo/7":{"op":"set","new":{"type":"moveShard"}}}`
	done        = `{"/arango/Target/ToDo/7":{"op":"delete"},"/arango/Target/Finished/7":{"op":"set","new":{}}}`
)

// The Plan of an index is that of the last entry up to it. What was not seen is unknown.
func TestPlanOfAnIndex(t *testing.T) {
	p := logged(t, `{"arango":{"Plan":{"Version":1}}}`)
	require.True(t, p.commit(job))
	require.True(t, p.commit(plan2))
	require.True(t, p.commit(job))
	for index, want := range map[uint64]string{10: `{"Version":1}`, 11: `{"Version":1}`, 12: `{"Version":2}`, 13: `{"Version":2}`} {
		got, err := p.At(index)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), index)
	}
	require.Len(t, p.versions, 2)
	for index, want := range map[uint64]string{9: "from a later index on", 14: "up to index 13 only"} {
		_, err := p.At(index)
		require.ErrorContains(t, err, want)
	}
	require.Empty(t, p.Unknown())
	require.False(t, p.take(agencyclient.PollResult{Log: []fsm.Entry{{Index: 20}}, CommitIndex: 20}), "the log does not continue")
	require.True(t, p.take(agencyclient.PollResult{ReadDB: tree(t, `{"arango":{"Plan":{"Version":2}}}`), CommitIndex: 20}))
	_, err := p.At(15)
	require.ErrorContains(t, err, "cut off before it was read")
	require.Len(t, p.Unknown(), 1)
	for _, index := range []uint64{13, 20} {
		_, err := p.At(index)
		require.NoError(t, err)
	}
	require.True(t, p.take(agencyclient.PollResult{CommitIndex: 3}), "an agent that knows less changes nothing")
	require.True(t, p.take(agencyclient.PollResult{ReadDB: tree(t, `{}`), CommitIndex: 3}))
	require.EqualValues(t, 20, p.index)
}

// Frozen finds each change of Plan during a freeze, and each job that waited and is not done.
func TestFrozenByTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		log  []string
		want string
	}{
		"nothing changes":                     {[]string{lockCreate, job, thaw, plan2, done, unlock}, ""},
		"Plan changes before the lock":        {[]string{plan2, lockCreate, thaw, unlock}, ""},
		"Plan changes after a rollback":       {[]string{lockCreate, unlock, plan2}, ""},
		"a restore switches Plan":             {[]string{lockRestore, plan2, unlock}, ""},
		"Plan changes while it is frozen":     {[]string{lockCreate, plan2, thaw, unlock}, "Plan was frozen for create b from index 11 on, and entry 12 changed /arango/Plan/Version"},
		"Plan changes with the lock's end":    {[]string{lockCreate, `{"/arango/Target/HotBackup":{"op":"delete"},"/arango/Plan/x":{"op":"set","new":1}}`}, "entry 12 changed /arango/Plan/x"},
		"Plan vanishes":                       {[]string{lockCreate, `{"/arango/Plan":{"op":"delete"}}`, unlock}, "entry 12 changed /arango/Plan"},
		"what waited is not done":             {[]string{job, lockCreate, thaw, unlock}, "job 7 waited for the thaw, and is not done"},
		"what came after the thaw is no news": {[]string{lockCreate, thaw, job}, ""},
		"a lock that follows another":         {[]string{lockCreate, lockRestore, plan2, unlock}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := logged(t, `{"arango":{"Plan":{"Version":1},"Target":{}}}`)
			for _, operations := range c.log {
				require.True(t, p.commit(operations), operations)
			}
			found := Frozen(nil, p)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, checkFrozen, found[0].Check)
			require.Contains(t, found[0].Text, c.want)
		})
	}
}

// Without the log the events tell, and what is near the ends of a freeze proves nothing.
func TestFrozenByEvents(t *testing.T) {
	create := func(step event.Name) event.Event {
		return event.Event{Operation: event.Create, ID: "b", Emitter: "CRDN-1", Step: step}
	}
	changed := event.Event{Operation: event.Supervision, ID: "7", Emitter: "AGNT-1", Step: event.ShardLeaderChanged}
	expired := event.Event{Operation: event.Supervision, Emitter: "AGNT-1", Step: event.AgencyLockExpired}
	gate := event.Event{Operation: event.Create, ID: "b", Emitter: "PRMR-1", Server: "PRMR-1", Step: event.GateGranted}
	for i, c := range []struct {
		events []event.Event
		found  int
	}{
		{[]event.Event{changed, create(event.AgencyLocked), changed, create(event.PlanDump), changed, create(event.Prepare), create(event.Cut)}, 0},
		{[]event.Event{create(event.Prepare), changed, create(event.Locked), create(event.Thawed)}, 1},
		{[]event.Event{create(event.Prepare), gate, changed, gate, create(event.Locked), changed, changed, create(event.Cut)}, 3},
		{[]event.Event{create(event.Prepare), create(event.GatesOpened), changed, create(event.Thawed), changed, create(event.Linking)}, 0},
		{[]event.Event{create(event.Prepare), changed, create(event.Undoing), changed, create(event.Undone)}, 0},
		{[]event.Event{create(event.Prepare), expired, changed, create(event.Locked)}, 0},
	} {
		require.Len(t, Frozen(c.events, nil), c.found, fmt.Sprint(i))
	}
}
