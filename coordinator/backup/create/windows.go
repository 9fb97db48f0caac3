package create

import (
	"math"
	"time"

	dbclient "stasis/dbserver/client"
)

// windows has the lengths of the windows, in which an attempt waits for the gates: that of the
// n-th attempt (from 1) is first·growthⁿ⁻¹, but at most as long as a DB server lets writers queue.
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
