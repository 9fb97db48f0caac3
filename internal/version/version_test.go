package version

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

func TestNumberIsTheVersion(t *testing.T) {
	var major, minor, patch int
	_, err := fmt.Sscanf(API, "%d.%d.%d", &major, &minor, &patch)
	require.NoError(t, err)
	require.Equal(t, major*10000+minor*100+patch, APINumber)
	require.NotEmpty(t, Stasis)
}

func TestStasisVersion(t *testing.T) {
	built := func(version, revision, modified string) string {
		return fromBuild(&debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}}, true)
	}
	require.Equal(t, release, fromBuild(nil, false))
	require.Equal(t, release, fromBuild(&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, true), "-buildvcs=false")
	require.Equal(t, "1.2.3", fromBuild(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, true), "go install of a tag")
	require.Equal(t, "1.2.3", built("v1.2.3", "0123456789abcdef", "false"))
	require.Equal(t, "1.2.3+modified", built("v1.2.3+dirty", "0123456789abcdef", "true"))
	require.Equal(t, release+"+0123456789ab", built("(devel)", "0123456789abcdef", "false"))
	require.Equal(t, release+"+0123456789ab.modified", built("(devel)", "0123456789abcdef", "true"))
	pseudo := "v0.0.0-20261128200336-efbea3c12345"
	require.Equal(t, release+"+efbea3c12345", fromBuild(&debug.BuildInfo{Main: debug.Module{Version: pseudo}}, true), "go install of a commit")
	require.Equal(t, release+"+efbea3c12345.modified", fromBuild(&debug.BuildInfo{Main: debug.Module{Version: pseudo + "+dirty"}}, true))
}

// What is said to be released is in CHANGELOG as such, and what is not is said to be
// unreleased.
func TestReleaseIsThatOfTheChangelog(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "CHANGELOG.md"))
	require.NoError(t, err)
	headings := regexp.MustCompile(`(?m)^## (\S+)`).FindAllStringSubmatch(string(raw), -1)
	require.NotEmpty(t, headings)
	newest := headings[0][1]
	if newest != "Unreleased" {
		require.Equal(t, newest, release)
		return
	}
	require.Equal(t, "-dev", semver.Prerelease("v"+release))
	require.Positive(t, semver.Compare("v"+release, "v"+headings[1][1]))
}
