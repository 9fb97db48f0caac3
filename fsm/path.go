package fsm

import (
	"strings"
)

// maxDepth bounds how deep a value may lie: the segments of its path, the
// objects and the arrays around it, all counted. Everything that walks a value
// recurses at most this far.
const maxDepth = 200

// segments splits a path. Repeated, leading and trailing slashes do not count,
// so the root has no segments.
func segments(path string) []string {
	var segs []string
	for seg := range strings.SplitSeq(path, "/") {
		if seg != "" {
			segs = append(segs, seg)
		}
	}
	return segs
}

// normal is the one spelling of a path: "/" for the root, otherwise every
// segment with one slash before it. It is also the order in which the operations of a
// transaction are applied, compared bytewise.
func normal(segs []string) string { return "/" + strings.Join(segs, "/") }

// covers says whether the normalised path above is path or one of its ancestors.
func covers(above, path string) bool {
	return above == "/" || path == above || strings.HasPrefix(path, above) && path[len(above)] == '/'
}

// hidden says whether a child with this key is left out of ordinary reads.
func hidden(key string) bool { return strings.HasPrefix(key, ".") }
