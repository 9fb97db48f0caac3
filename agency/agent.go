package agency

import (
	"context"
	"errors"
)

// Stores is an agent's log, votes and snapshots in memory. It survives Close, so
// that a simulated cluster can restart an agent with what it had on "disk".
type Stores struct{}

// NewMemoryStores makes empty stores.
func NewMemoryStores() *Stores { return &Stores{} }

// Agent is a running agent.
type Agent struct{}

// Start opens the stores, joins the peers and serves. On pristine stores it
// bootstraps Raft with the full list of peers.
func Start(ctx context.Context, c Config) (*Agent, error) {
	return nil, errors.New("agent cannot start yet")
}

// ID is the agent's id.
func (a *Agent) ID() string { return "" }

// Addr is the advertised "host:port".
func (a *Agent) Addr() string { return "" }

// URL is the advertised "http://host:port".
func (a *Agent) URL() string { return "" }

// IsLeader says whether this agent serves as leader now.
func (a *Agent) IsLeader() bool { return false }

// Close hands leadership over if it can, then stops everything.
func (a *Agent) Close(ctx context.Context) error { return nil }

// Err delivers the error that stopped the agent by itself, if one does.
func (a *Agent) Err() <-chan error { return nil }
