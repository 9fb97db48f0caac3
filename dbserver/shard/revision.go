package shard

import (
	"fmt"
	"strings"
)

// revisionDigits is in the order of its bytes, so that revisions compare as
// strings as their times do.
const revisionDigits = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

// revisionLen characters of six bits hold a time of the clock.
const revisionLen = 11

// revision is the _rev of a document written at time t of the clock.
func revision(t uint64) string {
	var b [revisionLen]byte
	for i := revisionLen - 1; i >= 0; i-- {
		b[i] = revisionDigits[t&63]
		t >>= 6
	}
	return string(b[:])
}

// parseRevision is the time of a revision.
func parseRevision(rev string) (t uint64, err error) {
	if len(rev) != revisionLen {
		return 0, fmt.Errorf("revision %q has not %d characters", rev, revisionLen)
	}
	for i := range len(rev) {
		n := strings.IndexByte(revisionDigits, rev[i])
		if n < 0 {
			return 0, fmt.Errorf("revision %q has an unknown character", rev)
		}
		t = t<<6 | uint64(n)
	}
	return t, nil
}
