// Package scenario plays a scenario of its own on clusters that the fault lab starts.
package scenario

import (
	"testing"

	"stasis/lab"
)

// A scenario of one's own: who writes, what breaks, and what has to hold. The lab starts the cluster, plays it in virtual
// time, opens every backup from its pieces and judges it.
func TestOwnScenario(t *testing.T) {
	lab.Test(t, lab.Text("own", `
load: [bank: {clients: 8, accounts: 16, shards: 6, replication: 2, pace: 10ms, lull: 200ms}]
do:
  - at 1s: backup a on coordinator-1
  - when a is "cut" on dbserver-2: cut its coordinator <-> dbserver-2
  - after a: heal
  - 1s after a: backup b on coordinator-2
expect:
  - b succeeds
  - one instant
  - nothing lost
  - nothing left within 20s
`), lab.Options{Seed: 1})
}
