package certificate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLockModes(t *testing.T) {
	for _, m := range []LockMode{LockModeTransactions, LockModeCommits, LockModeNone} {
		require.NoError(t, m.Check())
		require.Equal(t, m, HeldIn(m, 1, 2).Mode())
	}
	require.Equal(t, Instant{LockMode: LockModeGates, From: 1, To: 2}, HeldIn(LockModeTransactions, 1, 2), "as before there were modes")
	for _, m := range []LockMode{"", "gates", "None"} {
		require.ErrorContains(t, m.Check(), "want transactions, commits or none")
	}
}

// An instant is as good as the mode in which each gate was held. A server that says nothing knows no transactions, and has held up
// all.
func TestGatesAreHeldInTheModeOfTheInstant(t *testing.T) {
	for instant, good := range map[LockMode]map[LockMode]bool{
		LockModeGates:   {"": true, LockModeTransactions: true, LockModeCommits: false},
		LockModeCommits: {"": true, LockModeTransactions: true, LockModeCommits: true},
	} {
		for held, holds := range good {
			c := goodCertificate()
			c.Instant.LockMode = instant
			e := c.Servers["a"]
			e.Gate.LockMode = held
			c.Servers["a"] = e
			require.Equal(t, holds, len(c.Problems()) == 0, "%s: a gate held in %q: %v", instant, held, c.Problems())
		}
	}
}

// A certificate without the lock says whether it was to be had.
func TestWhyNoLockWasHeld(t *testing.T) {
	for asked, says := range map[LockMode]string{
		"":                   "the global lock was not held (lock mode none)",
		LockModeNone:         "the global lock was not held (lock mode none, as it was asked for)",
		LockModeTransactions: "the global lock was not held (lock mode none: transactions was asked for, and could not be had)",
	} {
		c := goodCertificate()
		c.Instant.LockMode, c.History.Lock.LockMode = LockModeNone, asked
		require.Equal(t, []string{says}, c.Problems())
	}
}

// A piece of another mode than its certificate's is not of its backup. Pieces of older versions name none.
func TestPieceOfAnotherMode(t *testing.T) {
	c, pieces := certified()
	p, before := pieces["a"], len(c.PieceProblems(pieces)) // of the little that these pieces say
	for mode, good := range map[LockMode]bool{"": true, LockModeTransactions: true, LockModeCommits: false, LockModeNone: false} {
		p.LockMode = mode
		pieces["a"] = p
		require.Equal(t, good, len(c.PieceProblems(pieces)) == before, mode)
	}
}
