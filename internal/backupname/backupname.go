// Package backupname says which ids and labels a backup may have. Clients check before they
// ask, coordinators before they lock anything, and DB servers before they make a path of
// what they were sent; all of them by these functions.
package backupname

import (
	"regexp"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Suffixes of a piece's directory while it is being made or removed. No id ends with one.
const (
	Pending   = ".pending"
	Removed   = ".removed"
	Temporary = ".tmp"
)

// Bounds. An id is the moment of the backup, an underscore and the label; with a suffix it
// must fit into the 255 bytes that file systems allow.
const (
	maxLabel = 128
	maxID    = 200
)

var (
	ids    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	labels = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// CheckID refuses what is no id of a backup, and above all what would lead out of the
// directory of backups, with [apierror.BadParameter].
func CheckID(id string) error {
	if len(id) > maxID || reserved(id) || !ids.MatchString(id) && !failpoint.Off("backup-id-is-a-name") {
		return apierror.New(apierror.BadParameter, "%.250q is no backup id", id)
	}
	return nil
}

// CheckLabel refuses a label that cannot be the end of an id, with [apierror.BadParameter].
func CheckLabel(label string) error {
	if len(label) > maxLabel || reserved(label) || !labels.MatchString(label) {
		return apierror.New(apierror.BadParameter,
			"label %.250q: want at most %d letters, digits, dots, underscores and hyphens, no two dots in a row, and none of the endings %s, %s and %s",
			label, maxLabel, Pending, Removed, Temporary)
	}
	return nil
}

// reserved says whether a name could be taken for something else on disk.
func reserved(name string) bool {
	for _, suffix := range []string{Pending, Removed, Temporary} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.Contains(name, "..")
}
