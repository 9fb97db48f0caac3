package create

import (
	"math"
	"time"

	dbclient "stasis/dbserver/client"
)

// windows says how long each attempt waits for the gates: the n-th (from 1) first·growthⁿ⁻¹,
// but no longer than a DB server lets its writers queue.
type windows struct {
	first  time.Duration
	growth float64
}

func (w windows) length(n int) time.Duration {
	f := float64(w.first) * math.Pow(w.growth, float64(n-1))
	if f >= float64(dbclient.MaxGateWindow) {
		return dbclient.MaxGateWindow
	}
	return time.Duration(math.Round(f))
}
