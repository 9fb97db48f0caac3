package engine

import (
	"fmt"
	"strconv"
	"strings"
)

// fileNumber reads the number in the name of an engine's file.
func fileNumber(name string) (uint64, bool) {
	digits, _, _ := strings.Cut(name, ".")
	if _, after, ok := strings.Cut(digits, "-"); ok {
		digits = after
	}
	digits, _, _ = strings.Cut(digits, "-") // a log's later segments: 000007-001.log
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// tableName is the name of a table's file.
func tableName(number uint64) string { return fmt.Sprintf("%06d.sst", number) }

// IsImmutable says whether an engine's file of this name never changes once it is
// complete, so that it may be shared by hard links.
func IsImmutable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// isLog says whether an engine's file of this name is a log.
func isLog(name string) bool { return strings.HasSuffix(name, ".log") }
