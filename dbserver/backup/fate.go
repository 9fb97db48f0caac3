package backup

import "stasis/internal/failpoint"

// Fate is what the agency's decision makes of something that waits for it.
type Fate int

// Fates.
const (
	Keep   Fate = iota // undecided: its nonce still holds the agency lock
	Finish             // committed: publish the piece, swap the engine
	Remove             // neither: its operation has ended and will not finish it
)

// FateOf is the rule. What is committed with the same nonce is finished, what still
// holds the lock is kept, and all else is removed. The committed nonce and the holder's
// come from one linearizable read; "" is none.
func FateOf(nonce, committed, holder string) Fate {
	switch {
	case nonce == "":
		return Remove
	case nonce == committed:
		return Finish
	case nonce == holder && !failpoint.Off("holder-keeps"):
		return Keep
	}
	return Remove
}
