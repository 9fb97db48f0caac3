package certificate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/internal/failpoint"
)

// ErrUnproven is matched by errors of Check: the evidence does not show that the backup is
// one instant.
var ErrUnproven = errors.New("not proven to be one instant")

// Check says whether the certificate shows that the backup is one instant, and is the
// certificate of just these pieces, which are by the server that made them. With nil it
// looks at the evidence alone. The error matches [ErrUnproven] and names every problem.
//
// A backup that was taken without the global lock is never proven, nor is one without a
// certificate: c may be nil.
func (c *Certificate) Check(pieces map[string]Piece) error {
	if c == nil {
		return fmt.Errorf("a backup without a certificate is %w", ErrUnproven)
	}
	problems := c.Problems()
	if pieces != nil {
		problems = append(problems, c.PieceProblems(pieces)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("backup %s is %w: %s", c.ID, ErrUnproven, strings.Join(problems, "; "))
}

// Sealed is a piece with the certificate that is stored in it.
type Sealed struct {
	Piece       Piece
	Certificate json.RawMessage
}

// IsFailsafe says whether the piece is a failsafe's, which has no certificate. A piece that has one is
// judged by it, whatever its META says: the signature of a genuine certificate would otherwise vouch
// for data for which it was not made.
func (s Sealed) IsFailsafe() bool {
	return s.Piece.Kind == Failsafe && (len(s.Certificate) == 0 || failpoint.Off("failsafe-has-no-certificate"))
}

// Examine finds the certificate of a backup's pieces, which are by the server that made
// them, and compares both. It returns the certificate, if the pieces agree on one, and what
// is wrong; nothing is wrong with a good backup. A backup that says of itself that it is
// potentially inconsistent is compared without the evidence on the gates.
//
// recorded is the hash of the certificate that the agency has on record, or "" without a
// cluster. A failsafe backup has no certificate: it only has to be complete.
func Examine(pieces map[string]Sealed, recorded string) (*Certificate, []string) {
	plain, stored, failsafe := map[string]Piece{}, Stored(pieces), 0
	for source, p := range pieces {
		plain[source] = p.Piece
		if p.IsFailsafe() {
			failsafe++
		}
	}
	if failsafe > 0 && failsafe == len(pieces) { // one that only says so must not save the others the check
		for _, p := range plain {
			if len(plain) != p.NrDBServers {
				return nil, []string{"only some of the pieces are present"}
			}
		}
		return nil, nil
	}
	c, err := Agreed(stored, recorded)
	if err != nil {
		return nil, []string{err.Error()}
	}
	return c, c.Compare(plain)
}

// Stored are the certificates that are stored in pieces.
func Stored(pieces map[string]Sealed) map[string]json.RawMessage {
	stored := make(map[string]json.RawMessage, len(pieces))
	for source, p := range pieces {
		stored[source] = p.Certificate
	}
	return stored
}

// Compare is what does not fit between the certificate and the pieces. Of a backup that is
// potentially inconsistent it leaves out the evidence on the gates.
func (c *Certificate) Compare(pieces map[string]Piece) []string {
	problems := c.PieceProblems(pieces)
	if !c.PotentiallyInconsistent {
		problems = append(problems, c.Problems()...)
	}
	return problems
}

// Agreed is the certificate that all pieces have. recorded is the hash of the one on
// record, or "". The error says which piece has none, or another one.
func Agreed(stored map[string]json.RawMessage, recorded string) (*Certificate, error) {
	var c *Certificate
	for _, source := range slices.Sorted(maps.Keys(stored)) {
		raw := stored[source]
		if len(raw) == 0 {
			return nil, fmt.Errorf("the piece of %s has no certificate", source)
		}
		hash, err := Hash(raw)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", source, err)
		}
		if recorded == "" {
			recorded = hash
		}
		if hash != recorded {
			return nil, fmt.Errorf("the certificate of %s is not that of the backup", source)
		}
		if c, err = Parse(raw); err != nil {
			return nil, err
		}
	}
	if c == nil {
		return nil, errors.New("there are no pieces")
	}
	return c, nil
}
