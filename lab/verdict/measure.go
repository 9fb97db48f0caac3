package verdict

import (
	"slices"
	"time"
)

// The numbers of a [Backup] that can be unknown, by their names in JSON. Times are nanoseconds there.
const (
	MeasureAttempts  = "attempts"  // how often the gates were asked for
	MeasureWindow    = "window"    // of the last attempt: how long it could wait for the gates
	MeasureDeadTime  = "deadTime"  // the longest that writes can have waited at a gate
	MeasureHold      = "hold"      // from the last grant to the first release
	MeasureCutSkew   = "cutSkew"   // between the first cut and the last
	MeasureSlack     = "slack"     // how much longer the gates could have been held
	MeasureStraddles = "straddles" // writes that were in flight at the cut
	MeasureRPO       = "rpo"       // from the cut to the commit
	MeasureRTO       = "rto"       // how long the restore took; unknown if it was not restored
)

// NotMeasured is a backup of which nothing was measured.
func NotMeasured(label, id string) Backup {
	b := Backup{Label: label, ID: id}
	b.Lacks(MeasureAttempts, MeasureWindow, MeasureDeadTime, MeasureHold, MeasureCutSkew, MeasureSlack, MeasureStraddles, MeasureRPO, MeasureRTO)
	return b
}

// Knows says whether a number was measured.
func (b Backup) Knows(measure string) bool { return !slices.Contains(b.Unmeasured, measure) }

// Lacks notes numbers that are not known.
func (b *Backup) Lacks(measures ...string) {
	for _, m := range measures {
		if b.Knows(m) {
			b.Unmeasured = append(b.Unmeasured, m)
		}
	}
}

// Restored notes how long its restore took.
func (b *Backup) Restored(took time.Duration) {
	b.RTO = took
	b.Unmeasured = slices.DeleteFunc(b.Unmeasured, func(m string) bool { return m == MeasureRTO })
}
