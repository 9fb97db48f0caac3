package minicluster

// last closes the network of this process, when no server uses it any more.
func (l *Lab) last() error {
	if l == nil || l.gone == nil {
		return nil
	}
	return l.gone()
}

// wire makes the connections to the servers, which are opened when they are needed.
func (l *Lab) wire(nodes []*node) {
	if l == nil {
		return
	}
	for _, n := range nodes {
		if l.wires[n.name] = l.here; l.here == nil {
			l.wires[n.name] = newWire()
		}
	}
}

// close takes all faults of this process back, and ends all connections: servers that hang cannot be stopped.
func (l *Lab) close() {
	switch {
	case l == nil:
	case l.end != nil:
		l.end()
	default:
		for _, w := range l.wires {
			w.end()
		}
	}
}
