package restore

import (
	"time"

	"stasis/client"
	"stasis/client/certificate"
)

// FailsafeLabel is the label of the backup that a restore makes of the engines that it replaces.
const FailsafeLabel = "failsafe"

// Request asks for a restore.
type Request struct {
	ID            string
	IgnoreVersion bool          // restore although the backup is of another version
	Timeout       time.Duration // bounds waiting for the agency lock; 0: two minutes
	Deadline      time.Duration // bounds everything up to the commit; 0: none

	Keys []certificate.PublicKey // if there are any: refuse what none of them has signed
}

// Result is the answer to a restore.
type Result = client.RestoreResult
