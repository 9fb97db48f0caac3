package show

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"stasis/client"
)

// testdata/lockreport has reports and what people read of them.
func TestLockReport(t *testing.T) {
	datadriven.RunTest(t, "testdata/lockreport", func(t *testing.T, d *datadriven.TestData) string {
		var r client.LockReport
		require.NoError(t, json.Unmarshal([]byte(d.Input), &r), d.Pos)
		return strings.Join(LockReport(r), "\n") + "\n"
	})
}
