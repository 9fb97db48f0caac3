// Package version says which version of Stasis this program is, and which version of
// ArangoDB's HTTP API it speaks.
package version

import (
	"runtime/debug"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// API is the version of ArangoDB whose HTTP API is served: clients choose their behaviour
// by it. APINumber is the same as one number.
const (
	API       = "3.12.5"
	APINumber = 31205
)

// release is the version in CHANGELOG that this code is part of: "-dev" until it is
// released.
const release = "0.2.0-dev"

// Stasis is the version of this program: "0.1.0" if it was built from a tag, else release
// with the revision it was built from, if the build knows one: "0.2.0-dev+0123456789ab", and
// ".modified" if there were changes that are in no revision.
var Stasis = fromBuild(debug.ReadBuildInfo())

// shownDigits of a revision are enough to find it.
const shownDigits = 12

func fromBuild(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return release
	}
	revision, modified := "", false
	switch v := info.Main.Version; {
	case module.IsPseudoVersion(v): // go install, or go build, of a commit without a tag
		revision, _ = module.PseudoVersionRev(v) // its only error is that it is none
		modified = semver.Build(v) == "+dirty"
	case semver.IsValid(v):
		return strings.TrimPrefix(strings.Replace(v, "+dirty", "+modified", 1), "v")
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if revision == "" {
		return release
	}
	version := release + "+" + revision[:min(len(revision), shownDigits)]
	if modified {
		version += ".modified"
	}
	return version
}
