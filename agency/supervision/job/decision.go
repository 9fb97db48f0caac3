package job

import (
	"time"

	agencyclient "stasis/agency/client"
	"stasis/event"
)

// Decision is one transaction, with what it was made for. The preconditions of the transaction
// name everything that the decision is based on. A decision without a Step is bookkeeping, of
// which no event tells.
type Decision struct {
	Tx     agencyclient.Tx
	Step   event.Name
	Job    string // id
	DB     string
	Shard  string
	Server string
	Detail string // why this server, why now
	// Elapsed is how long something has lasted, for the event.
	Elapsed time.Duration
}
