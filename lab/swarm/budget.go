package swarm

import (
	"fmt"
	"time"
)

// victims draws the servers that may fail.
func (d *draw) victims() {
	d.broken = nil
	for _, role := range []struct {
		name      string
		all, most int
	}{
		{"agent", d.agents, (d.agents - 1) / 2},
		{"dbserver", d.dbservers, d.replicas - 1},
		{"coordinator", d.coordinators, d.coordinators - 1},
	} {
		for _, i := range d.random.Perm(role.all)[:role.most] {
			d.broken = append(d.broken, victim{fmt.Sprintf("%s-%d", role.name, i+1), role.name, 300 * time.Millisecond})
		}
	}
}

// servers are all servers of a role.
func (d *draw) servers(role string) []string {
	n := map[string]int{"agent": d.agents, "dbserver": d.dbservers, "coordinator": d.coordinators}[role]
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%d", role, i+1))
	}
	return all
}

// peer is a server that a server talks to.
func (d *draw) peer(v victim) string {
	roles := map[string][]string{
		"agent": {"agent", "dbserver", "coordinator"}, "dbserver": {"agent", "coordinator", "dbserver"}, "coordinator": {"agent", "dbserver"},
	}[v.role]
	for {
		if p := of(d, d.servers(of(d, roles...))...); p != v.server {
			return p
		}
	}
}

// darkness is a power cut of the whole cluster.
func (d *draw) darkness() {
	every := "every agent, every dbserver, every coordinator"
	crash := fmt.Sprintf("crash %s keeping %d%%", every, of(d, 0, 0, 30, 70))
	if d.one(2) {
		d.step("when a is some step", crash)
		d.step("2s after a", "restart "+every)
		return
	}
	d.step("at "+d.between(time.Second, 4*time.Second).String(), crash, fmt.Sprintf("wait %v", d.between(0, 5*time.Second)), "restart "+every)
}
