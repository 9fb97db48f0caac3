package certificate

import (
	"fmt"
	"slices"
	"strings"
)

// LockMode says which writers a create waits for and holds up while it makes its cuts.
type LockMode string

// Lock modes of a create.
const (
	LockModeTransactions LockMode = "transactions" // all, and transactions that have written: it waits until none of them is open
	LockModeCommits      LockMode = "commits"      // those that write or commit now; open transactions stay open, and nothing of them is in the backup
	LockModeNone         LockMode = "none"         // none: the cuts are of different moments, and the backup is potentially inconsistent for ever
)

// LockModeGates is the name of LockModeTransactions in a certificate: it is older than the other modes.
const LockModeGates LockMode = "gates"

// lockModes are those that a create can be asked for, the default first.
var lockModes = []LockMode{LockModeTransactions, LockModeCommits, LockModeNone}

// Check returns an error if a create cannot be asked for the mode.
func (m LockMode) Check() error {
	if slices.Contains(lockModes, m) {
		return nil
	}
	names := make([]string, len(lockModes))
	for i, known := range lockModes {
		names[i] = string(known)
	}
	return fmt.Errorf("lock mode %q is unknown: want %s or %s", string(m), strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// asCertified is the name in a certificate of the mode in which all gates were held.
func (m LockMode) asCertified() LockMode {
	if m == LockModeTransactions {
		return LockModeGates
	}
	return m
}
