package minicluster

import "stasis/internal/datadir"

// newNode makes a node that does not run yet.
func (s *setup) newNode(name string, role datadir.Role, p *place, report func(error)) *node {
	n := &node{
		name: name, role: role, id: p.ID, at: site{address: s.options.Seams.address(name, p.Port), port: p.Port},
		report: report, wake: make(chan struct{}, 1), launch: s.launchInProcess,
	}
	if s.options.Dir != "" {
		n.at.dir = s.dataDir(name)
	}
	if s.options.Mode == Processes {
		n.launch = s.launchProcess
	}
	return n
}
