package backup

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
)

// failsafeLabel names the backup that a restore makes of the engines it sets aside.
const failsafeLabel = "failsafe"

// pieceSet is what the servers have of one backup.
type pieceSet struct {
	pieces  map[string]dbserver.PieceDetail // by the server that made it
	holders map[string]string               // who has it now
	cert    *Certificate                    // set by examine; nil: it has none
}

func newPieceSet() *pieceSet {
	return &pieceSet{pieces: map[string]dbserver.PieceDetail{}, holders: map[string]string{}}
}

func collectPieces(lists []answer[dbserver.ListResponse], id string) *pieceSet {
	set := newPieceSet()
	for _, l := range lists {
		for _, p := range l.value.Pieces {
			if p.ID == id {
				set.pieces[p.ServerID] = p
				set.holders[p.ServerID] = l.id
			}
		}
	}
	return set
}

func countPieces(lists []answer[dbserver.ListResponse], id string) int {
	n := 0
	for _, l := range lists {
		n += len(slices.DeleteFunc(slices.Clone(l.value.Pieces), func(p dbserver.PieceDetail) bool { return p.ID != id }))
	}
	return n
}

// plain is the pieces without what is stored beside them.
func (s *pieceSet) plain() map[string]dbserver.Piece {
	out := make(map[string]dbserver.Piece, len(s.pieces))
	for source, p := range s.pieces {
		out[source] = p.Piece
	}
	return out
}

// missing names the servers whose pieces are not there.
func (s *pieceSet) missing(expected []string) []string {
	return slices.DeleteFunc(sortedSet(expected), func(id string) bool {
		_, there := s.pieces[id]
		return there
	})
}

// examine checks that the set is complete and belongs together: every piece is
// there, all have the same agency dump, and the certificate (which a failsafe
// backup does not have) holds and is the one that the agency recorded, if it
// recorded one. It returns the stored Plan.
func (s *pieceSet) examine(commit keys.Commit) (*storedPlan, error) {
	if missing := s.missing(commit.Servers); len(missing) > 0 {
		return nil, fmt.Errorf("the pieces of %s are missing", strings.Join(missing, ", "))
	}
	plan, dumpHash, err := s.dump()
	if err != nil {
		return nil, err
	}
	if missing := s.missing(plan.DBServers); len(missing) > 0 {
		return nil, fmt.Errorf("the pieces of %s are missing", strings.Join(missing, ", "))
	}
	if s.kind() == dbserver.PieceFailsafe {
		return plan, nil
	}
	cert, err := s.certificateOf(commit.CertificateSHA256)
	if err != nil {
		return nil, err
	}
	shards, err := plan.shards()
	if err != nil {
		return nil, err
	}
	if problems := append(s.problems(cert, dumpHash), cert.planProblems(shards)...); len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "; "))
	}
	s.cert = cert
	return plan, nil
}

// problems is what does not fit between pieces, dump and certificate.
func (s *pieceSet) problems(cert *Certificate, dumpHash string) []string {
	problems := cert.PieceProblems(s.plain())
	if dumpHash != cert.Agency.DumpSHA256 {
		problems = append(problems, "the agency dump is not the one that was certified")
	}
	if !cert.PotentiallyInconsistent {
		problems = append(problems, cert.Problems()...)
	}
	return problems
}

func (s *pieceSet) kind() string {
	for _, p := range s.pieces {
		return p.Kind
	}
	return ""
}

// dump is the agency dump that all pieces agree on, and its hash.
func (s *pieceSet) dump() (*storedPlan, string, error) {
	var first *dbserver.AgencyDump
	hash := ""
	for _, source := range slices.Sorted(maps.Keys(s.pieces)) {
		d := s.pieces[source].AgencyDump
		if d == nil {
			return nil, "", fmt.Errorf("the piece of %s has no agency dump", source)
		}
		h, err := hashJSON(d)
		if err != nil {
			return nil, "", fmt.Errorf("hash agency dump of %s: %w", source, err)
		}
		if first == nil {
			first, hash = d, h
		}
		if h != hash {
			return nil, "", fmt.Errorf("the agency dump of %s is not that of the other pieces", source)
		}
	}
	if first == nil {
		return nil, "", errors.New("there are no pieces")
	}
	plan, err := parseDump(first.Dump)
	return plan, hash, err
}

// certificateOf is the certificate that all pieces agree on; hash is that of the
// one that the agency recorded, or "".
func (s *pieceSet) certificateOf(hash string) (*Certificate, error) {
	var cert *Certificate
	for _, source := range slices.Sorted(maps.Keys(s.pieces)) {
		raw := s.pieces[source].Certificate
		if len(raw) == 0 {
			return nil, fmt.Errorf("the piece of %s has no certificate", source)
		}
		h, err := hashJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", source, err)
		}
		if hash == "" {
			hash = h
		}
		if h != hash {
			return nil, fmt.Errorf("the certificate of %s is not that of the backup", source)
		}
		if cert, err = ParseCertificate(raw); err != nil {
			return nil, err
		}
	}
	if cert == nil {
		return nil, errors.New("there are no pieces")
	}
	return cert, nil
}

// checkVersion is the version rule of a restore: the same major, the cluster's
// minor equal or higher; the patch is free.
func checkVersion(backup, cluster string) error {
	bMajor, bMinor, err := majorMinor(backup)
	if err != nil {
		return err
	}
	cMajor, cMinor, err := majorMinor(cluster)
	if err != nil {
		return err
	}
	if bMajor != cMajor || cMinor < bMinor {
		return fmt.Errorf("a backup of version %s cannot be restored by version %s (ignoreVersion restores it nevertheless)", backup, cluster)
	}
	return nil
}

func majorMinor(v string) (major, minor int, err error) {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 {
		return 0, 0, fmt.Errorf("version %q is not understood", v)
	}
	if major, err = strconv.Atoi(parts[0]); err == nil {
		minor, err = strconv.Atoi(parts[1])
	}
	if err != nil {
		return 0, 0, fmt.Errorf("version %q is not understood: %w", v, err)
	}
	return major, minor, nil
}
