package director

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/event"
	"stasis/lab/scenario"
)

// told makes events of a backup of the scenario.
func told(steps ...event.Name) *events { return toldOf("2000_a", steps...) }

// toldOf makes events of one backup, a hundredth of a second apart. A step of the supervision is none of the backup's.
func toldOf(id string, steps ...event.Name) *events {
	l := &events{}
	for i, s := range steps {
		e := event.Event{Step: s, At: time.Unix(0, 0).Add(time.Duration(i) * 10 * time.Millisecond), Operation: event.Create, ID: id, Emitter: "coordinator"}
		if s == event.ShardLeaderChanged || s == event.AgencyLockExpired {
			e.Operation, e.ID, e.Emitter = "", "", "agent"
		}
		l.all = append(l.all, e)
	}
	return l
}

// The freeze of a backup ends with its lock: what changes afterwards is as it should be, whatever steps the backup tells of later. A
// backup whose lock ended before the step has not reached it.
func TestFreezeEndsWithTheLock(t *testing.T) {
	const lock, moved = event.Name("agency lock acquired"), event.ShardLeaderChanged
	for name, c := range map[string]struct {
		step   string
		events *events
		frozen string
		after  string // what is wrong with "leader changes after"
	}{
		"before the step":         {"Plan thawed", told(lock, event.Prepare, moved, event.GatesOpened, event.Thawed), "20ms after 2000_a", "20ms after 2000_a"},
		"as the step comes":       {"Plan thawed", told(lock, event.GatesOpened, moved, event.Thawed), "", ""},
		"after the step":          {"Plan thawed", told(lock, event.GatesOpened, event.Thawed, moved, event.Linked), "", ""},
		"the lock is given back":  {"Plan thawed", told(lock, event.Prepare, event.Undoing, moved, event.Undone, moved), "no backup of the scenario reached", "no backup of the scenario reached"},
		"while it is undone":      {"undone", told(lock, event.Prepare, moved, event.Undoing, event.Undone), "20ms after 2000_a", "20ms after 2000_a"},
		"when it is undone":       {"undone", told(lock, event.Prepare, event.Undoing, moved, event.Undone), "", ""},
		"the lock has expired":    {"gates opened", told(lock, event.Prepare, event.AgencyLockExpired, moved, event.GatesOpened), "no backup of the scenario reached", "no backup of the scenario reached"},
		"it expired after a move": {"gates opened", told(lock, moved, event.Prepare, event.AgencyLockExpired, event.GatesOpened), "10ms after 2000_a", "10ms after 2000_a"},
		"only the check's own":    {"Plan thawed", toldOf("2000_"+probe, lock, event.GatesOpened, event.Thawed, moved), "no backup of the scenario reached", "no backup of the scenario reached"},
		"nothing moves":           {"Plan thawed", told(lock, event.GatesOpened, event.Thawed), "", "no leader changed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{events: c.events}
			e := scenario.Expectation{Args: map[string]string{"step": c.step}}
			for got, want := range map[string]string{r.frozen(e): c.frozen, r.leaderChanges(e): c.after} {
				if want == "" {
					require.Empty(t, got)
				}
				require.Contains(t, got, want)
			}
		})
	}
}
