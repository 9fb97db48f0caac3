// Package version says which version this is, and which version of the
// reference's HTTP API it speaks.
package version

import "runtime/debug"

// The reference's version whose API is served; clients choose their behaviour by it.
const (
	API       = "3.12.5"
	APINumber = 31205
)

// Stasis is this program's own version, from the build information: the
// module's version, or the revision it was built from, or "devel".
var Stasis = fromBuild(debug.ReadBuildInfo())

func fromBuild(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if revision == "" {
		return "devel"
	}
	if len(revision) > 12 {
		revision = revision[:12]
	}
	if modified {
		revision += "+modified"
	}
	return revision
}
