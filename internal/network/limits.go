package network

import (
	"stasis/internal/budget"
)

// Limits bound what clients can make a server hold. Zero fields take their default.
type Limits struct {
	// Budget is the bytes that requests may hold together: bodies, what they become when
	// decoded, and answers. Default: budget.Default.
	Budget *budget.Budget
	// Connections may be open at once. Beyond them the one that has been without a request
	// for longest is closed, or else the new one. Default: one for each 128 KiB of the
	// budget, at most 16384, and at most half of the files that the process may open.
	Connections int
	// LeastRate is how many bytes a second a body has to bring on average, once it has
	// used up StallTimeout. Default: 1 KiB/s; less than 0: a body only has to move.
	LeastRate int64

	conns *connections // shared by the copies of a value that has its defaults
}

// Bounds of the default of Limits.Connections.
const (
	connectionBytes  = 128 << 10
	leastConnections = 64
	mostConnections  = 16384
)

// What one connection can make the server hold beside its requests.
const (
	headerBytes  = 64 << 10  // of a request
	receiveBytes = 128 << 10 // in HTTP/2: of all bodies, sent and not yet read
	streams      = 100       // in HTTP/2: requests at once
)

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	if l.Budget == nil {
		l.Budget = budget.New(budget.Default())
	}
	if l.Connections <= 0 {
		l.Connections = int(min(max(l.Budget.Size()/connectionBytes, leastConnections), mostConnections, budget.Files()/2))
	}
	if l.LeastRate == 0 {
		l.LeastRate = 1 << 10
	}
	if l.conns == nil {
		l.conns = newConnections(l.Connections)
	}
	return l
}

// Status is what /_admin/status answers about these limits.
func (l Limits) Status() map[string]any {
	pools := map[string]any{}
	for _, u := range l.Budget.Read() {
		pools[u.Pool] = map[string]any{"size": u.Size, "held": u.Held, "most": u.Most, "refused": u.Refused}
	}
	open, closed := l.conns.count()
	return map[string]any{
		"memory":      pools,
		"connections": map[string]any{"limit": l.Connections, "open": open, "closed": closed},
	}
}
