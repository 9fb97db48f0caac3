package swarm

import (
	"fmt"
	"strings"
	"time"

	"stasis/lab/scenario"
)

// kind is a kind of fault of a victim.
type kind struct {
	needs []string
	roles string // "" means all
	sync  bool   // writes have to be synced before they are acknowledged
	// actions break the server, and heal it after a time.
	actions func(d *draw, v victim, lasts time.Duration) []string
}

// kinds are all kinds of faults.
var kinds = []kind{
	{actions: func(_ *draw, v victim, lasts time.Duration) []string {
		return []string{"kill " + v.server, wait(lasts), "restart " + v.server}
	}},
	{needs: []string{scenario.PowerCut, scenario.AgentDisks}, sync: true, actions: func(d *draw, v victim, lasts time.Duration) []string {
		return []string{fmt.Sprintf("crash %s keeping %d%%", v.server, of(d, 0, 30, 70)), wait(lasts), "restart " + v.server}
	}},
	{needs: []string{scenario.Pause}, actions: func(_ *draw, v victim, lasts time.Duration) []string {
		return []string{"pause " + v.server, wait(lasts), "resume " + v.server}
	}},
	{needs: []string{scenario.LinkFaults}, actions: func(_ *draw, v victim, lasts time.Duration) []string {
		return []string{"isolate " + v.server, wait(lasts), "rejoin " + v.server}
	}},
	{needs: []string{scenario.LinkFaults}, actions: func(d *draw, v victim, lasts time.Duration) []string {
		return link(v.server+of(d, " <-> ", " -> ")+d.peer(v), "cut %s", lasts)
	}},
	{needs: []string{scenario.LinkFaults}, actions: func(d *draw, v victim, lasts time.Duration) []string {
		return link(v.server+" <-> "+d.peer(v), fmt.Sprintf("delay %%s by %v", d.between(50*time.Millisecond, time.Second)), lasts)
	}},
	{needs: []string{scenario.LinkFaults}, actions: func(d *draw, v victim, _ time.Duration) []string {
		return []string{"reset " + v.server + " <-> " + d.peer(v)}
	}},
	{needs: []string{scenario.DiskFaults}, roles: "agent dbserver", actions: func(d *draw, v victim, lasts time.Duration) []string {
		return disk(v, of(d, "hang disk of %s", "hang disk of %s at syncs", "slow disk of %s by 200ms at syncs", "slow disk of %s by 20ms"), lasts)
	}},
	{needs: []string{scenario.DiskFaults}, roles: "dbserver", sync: true, actions: func(d *draw, v victim, lasts time.Duration) []string {
		return append(disk(v, of(d, "fail disk of %s at writes", "fail disk of %s at syncs", "fill disk of %s leaving 64KiB"), lasts), "restart "+v.server)
	}},
	{needs: []string{scenario.Messages}, actions: func(d *draw, v victim, _ time.Duration) []string {
		what := of(d, "lose requests %s %d times", "lose answers %s %d times", "duplicate requests %s %d times", "delay requests %s by 300ms %d times", "reorder requests %s within 100ms %d times")
		return []string{fmt.Sprintf(what, d.direction(v), 1+d.random.IntN(5))}
	}},
}

func wait(lasts time.Duration) string { return "wait " + lasts.String() }

func link(ends, what string, lasts time.Duration) []string {
	return []string{fmt.Sprintf(what, ends), wait(lasts), "heal " + ends}
}

func disk(v victim, what string, lasts time.Duration) []string {
	return []string{fmt.Sprintf(what, v.server), wait(lasts), "heal disk of " + v.server}
}

// direction is one on which requests go: coordinators ask the others, and all ask agents.
func (d *draw) direction(v victim) string {
	switch v.role {
	case "agent":
		return of(d, d.servers(of(d, "dbserver", "coordinator"))...) + " -> " + v.server
	case "dbserver":
		return of(d, d.servers("coordinator")...) + " -> " + v.server
	}
	return v.server + " -> " + of(d, d.servers("dbserver")...)
}

// fits says whether a kind of fault can be drawn for a victim.
func (k kind) fits(d *draw, v victim) bool {
	for _, f := range k.needs {
		if !d.can(f) || f == scenario.DiskFaults && v.role == "agent" && !d.can(scenario.AgentDisks) {
			return false
		}
	}
	return k.roles == "" || strings.Contains(k.roles, v.role)
}

// faults draws the faults, at least one: a run without would pass and show nothing. One of them may aim at a step of the first backup;
// its victim has no other.
func (d *draw) faults() {
	for n := 1 + d.random.IntN(4); n > 0 || len(d.steps) == 0; n-- {
		i := d.random.IntN(len(d.broken))
		v := &d.broken[i]
		k := of(d, kinds...)
		if !k.fits(d, *v) || v.free > 15*time.Second {
			continue
		}
		d.sync = d.sync || k.sync
		lasts := d.between(200*time.Millisecond, 12*time.Second)
		actions := k.actions(d, *v, lasts)
		at := v.free + d.between(0, 3*time.Second)
		if v.free < time.Second && len(actions) > 1 && d.can(scenario.Holds) && d.one(2) {
			d.step("when a is some step", actions[0])
			d.step("4s after a", actions[2:]...)
			v.free = time.Hour
			continue
		}
		d.step("at "+at.String(), actions...)
		v.free = at + lasts + 5*time.Second
	}
}
