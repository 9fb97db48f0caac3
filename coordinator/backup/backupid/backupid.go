// Package backupid makes the names that the backup protocols give: the id of a backup,
// which begins with its time, and the nonce of one attempt to make or restore it.
package backupid

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"stasis/internal/wall"
)

// Moment is the time of a backup on a coordinator's wall clock, in whole seconds. What was made first is not decided by
// it: clocks differ. The certificates tell that, by the agency's index.
type Moment struct {
	at   time.Time
	wall wall.Clock
}

// Now is the present moment.
func Now(clock wall.Clock) Moment { return Moment{clock.Now().UTC().Truncate(time.Second), clock} }

// DateTime is the moment as lists show it: 2023-09-01T15:00:34Z.
func (m Moment) DateTime() string { return m.at.Format(time.RFC3339) }

// ID is the id of a backup of this moment: 2023-09-01T15.00.34Z_label.
func (m Moment) ID(label string) string { return m.Prefix() + label }

// Prefix is what all ids of this moment begin with.
func (m Moment) Prefix() string { return strings.ReplaceAll(m.DateTime(), ":", ".") + "_" }

// UntilNext is how long to wait for the next moment: a second at most, also when the clock was set back meanwhile.
// It is negative if that moment has begun.
func (m Moment) UntilNext() time.Duration {
	return min(m.at.Add(time.Second).Sub(m.wall.Now()), time.Second)
}

// Nonce returns 128 random bits. It proves that a lock, a gate or a pending piece belongs
// to one attempt and to no other.
func Nonce() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails; it ends the program instead
	return hex.EncodeToString(bits[:])
}
