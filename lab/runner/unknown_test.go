package runner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/verdict"
)

// A number that is not known is shown as unknown, and is in no summary.
func TestUnknownNumbers(t *testing.T) {
	b := verdict.Backup{Label: "a", ID: "x", Attempts: 1, Window: time.Second, DeadTime: 2 * time.Millisecond, Hold: time.Millisecond, Checked: true}
	b.Lacks(verdict.MeasureSlack, verdict.MeasureRPO, verdict.MeasureRTO)
	b.Unknown = []string{"slack: nothing tells"}
	require.Equal(t, "a: judged, attempts 1, window 1s, hold 1ms, dead time 2ms, cut skew 0s, slack unknown, straddling writes 0, RPO unknown, RTO unknown\n    unknown: slack: nothing tells", backup(b))
	b.Restored(3 * time.Second)
	require.Contains(t, backup(b), "RTO 3s")
	require.True(t, b.Knows(verdict.MeasureRTO))
	s := backups([]Result{{Verdict: verdict.Verdict{Backups: []verdict.Backup{b, verdict.NotMeasured("b", "y")}}}})
	require.Equal(t, 2, s.Taken)
	require.Equal(t, Spread{P50: time.Millisecond, Max: time.Millisecond}, s.Hold, "what is not known counts for nothing")
	require.Zero(t, s.RPO)
	require.Equal(t, 3*time.Second, s.RTO.Max)
}
