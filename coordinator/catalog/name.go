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

// CheckDatabaseName is nil, or 1229: letter first, then letters, digits, _ and -.
func CheckDatabaseName(name string) error {
	if name == "" || len(name) > maxDatabaseName || !isLetter(name[0]) || !plain(name) {
		return apierror.New(apierror.DatabaseNameInvalid,
			"database name %q is invalid: a letter, then letters, digits, _ and -, at most %d bytes", name, maxDatabaseName)
	}
	return nil
}

// CheckCollectionName is nil, or 1208: letter first, then letters, digits, _ and -;
// system collections, and only they, start with _.
func CheckCollectionName(name string, system bool) error {
	switch {
	case name == "":
		return apierror.New(apierror.IllegalName, "illegal name: the collection's name is missing")
	case len(name) > maxCollectionName || !plain(name):
		return apierror.New(apierror.IllegalName, "illegal name %q: letters, digits, _ and -, at most %d bytes", name, maxCollectionName)
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
