package show

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"stasis/client"
)

// testdata/timeline has what a coordinator answers of one backup, and what people see of it. No bar
// is longer than the line.
func TestTimeline(t *testing.T) {
	datadriven.RunTest(t, "testdata/timeline", func(t *testing.T, d *datadriven.TestData) string {
		chart := Chart{Width: 80}
		d.MaybeScanArgs(t, "width", &chart.Width)
		chart.ASCII = d.HasArg("ascii")
		var out strings.Builder
		switch d.Cmd {
		case "show":
			var res client.ShowResult
			require.NoError(t, json.Unmarshal([]byte(d.Input), &res), d.Pos)
			require.NoError(t, Backup(&out, res, Names{"PRMR-2": "dbserver-2"}, chart))
			for line := range strings.Lines(out.String()) {
				if strings.Contains(line, "|") {
					require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), chart.Width, line)
				}
			}
		case "lock":
			var l client.AgencyLock
			require.NoError(t, json.Unmarshal([]byte(d.Input), &l), d.Pos)
			require.NoError(t, AgencyLock(&out, l, Names{"CRDN-1": "coordinator-1"}))
		}
		return out.String()
	})
}
