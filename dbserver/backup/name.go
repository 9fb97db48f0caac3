package backup

import (
	"regexp"
	"strconv"
	"strings"

	"stasis/internal/apierror"
)

// Names on disk.
const (
	dirBackups = "backups"
	dirEngine  = "engine"

	fileMeta        = "META"
	fileManifest    = "MANIFEST.json"
	fileDump        = "AGENCY-DUMP.json"
	fileCertificate = "CERTIFICATE.json"
	fileAttempt     = "ATTEMPT"
	fileRestore     = "RESTORE.json"
	fileRestored    = "RESTORED" // inside a staged engine
	fileLock        = "LOCK"     // Pebble's, inside an engine

	suffixPending = ".pending"
	suffixRemoved = ".removed"
	suffixTemp    = ".tmp"
	prefixStaged  = "engine.restore-"
)

// maxName leaves room for suffixes within the 255 bytes of common file systems.
const maxName = 200

var (
	idPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// CheckID refuses an id from which no path may be made, with
// apierror.BadParameter.
func CheckID(id string) error {
	reserved := strings.HasSuffix(id, suffixPending) || strings.HasSuffix(id, suffixRemoved) || strings.HasSuffix(id, suffixTemp)
	if len(id) > maxName || reserved || strings.Contains(id, "..") || !idPattern.MatchString(id) {
		return apierror.New(apierror.BadParameter, "%.250q is no backup id", id)
	}
	return nil
}

// CheckLabel refuses a label that cannot be part of an id, with
// apierror.BadParameter.
func CheckLabel(label string) error {
	if len(label) > maxName || strings.Contains(label, "..") || !labelPattern.MatchString(label) {
		return apierror.New(apierror.BadParameter, "%.250q is no backup label: use letters, digits, '.', '_' and '-'", label)
	}
	return nil
}

// stagedName is the folder of the restore that leads to epoch.
func stagedName(epoch uint64) string { return prefixStaged + strconv.FormatUint(epoch, 10) }

// isLeftover says whether a name belongs to something that was being built or
// removed when the process died.
func isLeftover(name string) bool {
	return strings.HasSuffix(name, suffixRemoved) || strings.HasSuffix(name, suffixTemp)
}
