package piece

import (
	"regexp"
	"strings"

	"stasis/internal/apierror"
)

// Names in the folder of a piece.
const (
	DirEngine = "engine"

	FileMeta        = "META"
	FileManifest    = "MANIFEST.json"
	FileDump        = "AGENCY-DUMP.json"
	FileCertificate = "CERTIFICATE.json"
)

// described are the files of a piece beside its engine's, in the order in which a
// Content lists them.
var described = []string{FileDump, FileCertificate, FileManifest, FileMeta}

// FileRestored is the file, inside an engine, that says which restore the engine comes
// from. It is not content of a piece.
const FileRestored = "RESTORED"

// fileLock is Pebble's, inside an engine. It is not content of a piece.
const fileLock = "LOCK"

// SuffixPending ends the name of a folder whose piece is not published.
const SuffixPending = ".pending"

// maxName leaves room for suffixes within the 255 bytes of common file systems.
const maxName = 200

var (
	idPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	labelPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// CheckID returns apierror.BadParameter for an id that cannot be the name of a folder.
func CheckID(id string) error {
	reserved := strings.HasSuffix(id, SuffixPending) || IsLeftover(id)
	if len(id) > maxName || reserved || strings.Contains(id, "..") || !idPattern.MatchString(id) {
		return apierror.New(apierror.BadParameter, "%.250q is no backup id", id)
	}
	return nil
}

// CheckLabel returns apierror.BadParameter for a label that cannot be part of an id.
func CheckLabel(label string) error {
	if len(label) > maxName || strings.Contains(label, "..") || !labelPattern.MatchString(label) {
		return apierror.New(apierror.BadParameter, "%.250q is no backup label: use letters, digits, '.', '_' and '-'", label)
	}
	return nil
}

// IsLeftover says whether a name belongs to something that was being built or removed
// when the process died.
func IsLeftover(name string) bool {
	return strings.HasSuffix(name, SuffixRemoved) || strings.HasSuffix(name, SuffixTemp)
}
