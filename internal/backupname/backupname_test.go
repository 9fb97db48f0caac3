package backupname

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
)

// A label that is accepted makes an id that is accepted: a backup does not fail at its end
// because of its name.
func TestLabelsMakeIDs(t *testing.T) {
	for label, good := range map[string]bool{
		"nightly": true, "7a9b_x.y-z": true, ".": true, "_": true, "-x": true, strings.Repeat("l", maxLabel): true,
		"": false, "a/b": false, "a b": false, "ä": false, "..": false, "x..y": false, "x\n": false,
		"x.pending": false, ".removed": false, "x.tmp": false, strings.Repeat("l", maxLabel+1): false,
	} {
		err := CheckLabel(label)
		require.Equal(t, good, err == nil, "%q: %v", label, err)
		id := CheckID("2023-09-01T15.00.34Z_" + label)
		if good {
			require.NoError(t, id, label)
			continue
		}
		require.ErrorIs(t, err, apierror.BadParameter)
		if len(label) <= maxLabel && label != "" {
			require.ErrorIs(t, id, apierror.BadParameter, label)
		}
	}
}

// What is no id makes no path.
func TestIDs(t *testing.T) {
	for _, id := range []string{"", ".", "..", ".x", "_x", "-x", "/", "a/b", `a\b`, "a\x00", "a.tmp", "a.pending", "a.removed", strings.Repeat("i", maxID+1)} {
		require.ErrorIs(t, CheckID(id), apierror.BadParameter, "a path could be made of %q", id)
	}
}
