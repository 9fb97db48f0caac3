package port

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// One call of Raft carries no more than so many bytes, and one entry at least.
func TestCallsAreShortened(t *testing.T) {
	for want, sizes := range map[int][]int{
		0: {}, 3: {1, 1, 1}, 2: {callBytes / 2, callBytes / 2, 1}, 1: {8 * callBytes, 1}, 4: {1, 1, 1, 1, callBytes},
	} {
		args := &raft.AppendEntriesRequest{}
		for i, size := range sizes {
			args.Entries = append(args.Entries, &raft.Log{Index: uint64(i + 1), Data: make([]byte, size)})
		}
		Shorten(args)
		require.Len(t, args.Entries, want)
	}
}
