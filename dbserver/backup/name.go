package backup

import (
	"strconv"
	"strings"

	"stasis/internal/backupname"
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

	suffixPending = backupname.Pending
	suffixRemoved = backupname.Removed
	suffixTemp    = backupname.Temporary
	prefixStaged  = "engine.restore-"
)

// stagedName is the folder of the restore that leads to epoch.
func stagedName(epoch uint64) string { return prefixStaged + strconv.FormatUint(epoch, 10) }

// isLeftover says whether a name belongs to something that was being built or
// removed when the process died.
func isLeftover(name string) bool {
	return strings.HasSuffix(name, suffixRemoved) || strings.HasSuffix(name, suffixTemp)
}
