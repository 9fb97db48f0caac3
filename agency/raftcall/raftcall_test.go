package raftcall

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/outcome"
)

// TestOutcomes: only what was never written counts as not applied.
func TestOutcomes(t *testing.T) {
	for _, err := range []error{raft.ErrNotLeader, raft.ErrLeadershipTransferInProgress} {
		require.ErrorIs(t, Outcome(err), outcome.ErrNotLeader)
		require.NotErrorIs(t, Outcome(err), outcome.ErrUnknown)
	}
	for _, err := range []error{raft.ErrLeadershipLost, raft.ErrRaftShutdown, raft.ErrAbortedByRestore, errors.New("disk full")} {
		require.ErrorIs(t, Outcome(err), outcome.ErrUnknown)
		require.NotErrorIs(t, Outcome(err), outcome.ErrNotLeader)
	}
}
