package version

import (
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumberIsTheVersion(t *testing.T) {
	var major, minor, patch int
	_, err := fmt.Sscanf(API, "%d.%d.%d", &major, &minor, &patch)
	require.NoError(t, err)
	require.Equal(t, major*10000+minor*100+patch, APINumber)
	require.NotEmpty(t, Stasis)
}

func TestStasisVersion(t *testing.T) {
	revision := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: modified}}}
	}
	require.Equal(t, "devel", fromBuild(nil, false))
	require.Equal(t, "devel", fromBuild(&debug.BuildInfo{}, true))
	require.Equal(t, "v1.2.3", fromBuild(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, true))
	require.Equal(t, "0123456789ab", fromBuild(revision("false"), true))
	require.Equal(t, "0123456789ab+modified", fromBuild(revision("true"), true))
}
