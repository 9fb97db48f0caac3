package swarm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// draw is one scenario that is drawn.
type draw struct {
	random *rand.Rand
	can    func(feature string) bool

	agents, dbservers, coordinators int
	replicas, backups               int
	broken                          []victim
	sync                            bool     // writes are synced before they are acknowledged
	steps                           []string // of `do`
}

// one is true in one of n draws.
func (d *draw) one(n int) bool { return d.random.IntN(n) == 0 }

// of is one of several.
func of[T any](d *draw, all ...T) T { return all[d.random.IntN(len(all))] }

// between is a time between two, in steps of a hundredth of a second.
func (d *draw) between(least, most time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return least + step*time.Duration(d.random.Int64N(int64((most-least)/step)+1))
}

// step adds a step of the scenario.
func (d *draw) step(when string, actions ...string) {
	quoted := make([]string, len(actions))
	for i, a := range actions {
		quoted[i] = "'" + a + "'"
	}
	d.steps = append(d.steps, fmt.Sprintf("  - %s: [%s]\n", when, strings.Join(quoted, ", ")))
}

// label is the name of the n-th backup.
func label(n int) string { return string(rune('a' + n)) }

// victim is a server that may fail.
type victim struct {
	server string
	role   string
	free   time.Duration // from when on it has no fault
}
