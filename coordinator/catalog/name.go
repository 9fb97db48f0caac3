package catalog

import (
	"strings"

	"stasis/internal/apierror"
)

// Longest names, in bytes.
const (
	maxDatabaseName   = 64
	maxCollectionName = 256
)

// CheckDatabaseName returns 1229 unless the name is a letter followed by letters, digits, _
// and -, at most 64 bytes.
func CheckDatabaseName(name string) error {
	if name == "" || len(name) > maxDatabaseName || !isLetter(name[0]) || !plain(name) {
		return apierror.New(apierror.DatabaseNameInvalid,
			"database name %q is invalid: want a letter, then letters, digits, _ and -, at most %d bytes", name, maxDatabaseName)
	}
	return nil
}

// CheckCollectionName returns 1208 unless the name is a letter followed by letters, digits, _
// and -, at most 256 bytes. Only the name of a system collection may start with _.
func CheckCollectionName(name string, system bool) error {
	switch {
	case name == "":
		return apierror.New(apierror.IllegalName, "illegal name: the collection's name is missing")
	case len(name) > maxCollectionName || !plain(name):
		return apierror.New(apierror.IllegalName, "illegal name %q: want letters, digits, _ and -, at most %d bytes", name, maxCollectionName)
	case system && name[0] != '_' && !isLetter(name[0]), !system && !isLetter(name[0]):
		return apierror.New(apierror.IllegalName, "illegal name %q: it must start with a letter, or with _ if isSystem is set", name)
	}
	return nil
}

func plain(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return !(r < 0x80 && isLetter(byte(r)) || r >= '0' && r <= '9' || r == '_' || r == '-')
	}) < 0
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
