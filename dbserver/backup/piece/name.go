package piece

import (
	"regexp"
	"strings"

	"stasis/dbserver/engine/sums"
	"stasis/internal/backupname"
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

// isOwn says whether a file in an engine's directory belongs to the server that has it there, and is not
// content of a piece.
func isOwn(name string) bool { return name == fileLock || name == FileRestored || sums.IsOwn(name) }

// SuffixPending ends the name of a folder whose piece is not published.
const SuffixPending = backupname.Pending

// engineFile is what a file of an engine may be called.
var engineFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// IsLeftover says whether a name belongs to something that was being built or removed
// when the process died.
func IsLeftover(name string) bool {
	return strings.HasSuffix(name, SuffixRemoved) || strings.HasSuffix(name, SuffixTemp)
}
