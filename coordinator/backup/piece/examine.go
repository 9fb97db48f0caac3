package piece

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// Examine checks that the set is complete and belongs together: no piece is missing, all have the
// same agency dump, and the certificate holds and is the one on record, if the backup has a
// record. A failsafe backup has no certificate: cert is nil.
func (s *Set) Examine(record keys.Commit) (plan *topology.Stored, cert *certificate.Certificate, err error) {
	if missing := s.Missing(record.Servers); len(missing) > 0 {
		return nil, nil, fmt.Errorf("the pieces of %s are missing", strings.Join(missing, ", "))
	}
	plan, dumpHash, err := s.dump()
	if err != nil {
		return nil, nil, err
	}
	if missing := s.Missing(plan.DBServers); len(missing) > 0 {
		return nil, nil, fmt.Errorf("the pieces of %s are missing", strings.Join(missing, ", "))
	}
	if s.isFailsafe() {
		return plan, nil, nil
	}
	cert, err = certificate.Agreed(certificate.Stored(s.sealed()), record.CertificateSHA256)
	if err != nil {
		return nil, nil, err
	}
	shards, err := plan.Shards()
	if err != nil {
		return nil, nil, err
	}
	problems := cert.Compare(s.plain())
	if dumpHash != cert.Agency.DumpSHA256 {
		problems = append(problems, "the agency dump is not the one that was certified")
	}
	if problems = append(problems, cert.PlanProblems(shards)...); len(problems) > 0 {
		return nil, nil, errors.New(strings.Join(problems, "; "))
	}
	return plan, cert, nil
}

// Certify checks the certificate against the pieces, without their agency dumps. hash is that of
// the certificate on record, or "". A failsafe backup has no certificate; it must be complete.
func (s *Set) Certify(hash string) (*certificate.Certificate, []string) {
	if len(s.Pieces) == 0 {
		return nil, nil
	}
	return certificate.Examine(s.sealed(), hash)
}

// isFailsafe says whether all pieces are a failsafe's.
func (s *Set) isFailsafe() bool {
	for _, p := range s.sealed() {
		if !p.IsFailsafe() {
			return false
		}
	}
	return len(s.Pieces) > 0
}

// sealed are the pieces with their certificates.
func (s *Set) sealed() map[string]certificate.Sealed {
	sealed := make(map[string]certificate.Sealed, len(s.Pieces))
	for source, p := range s.Pieces {
		sealed[source] = certificate.Sealed{Piece: p.Piece, Certificate: p.Certificate}
	}
	return sealed
}

// Signature says who has signed the backup. The error is why trust refuses it.
func (s *Set) Signature(trust certificate.Trust) (certificate.Signature, error) {
	return trust.Judge(certificate.Stored(s.sealed()))
}

// dump returns the agency dump that all pieces have in common, and its hash.
func (s *Set) dump() (*topology.Stored, string, error) {
	var first *dbclient.AgencyDump
	hash := ""
	for _, source := range slices.Sorted(maps.Keys(s.Pieces)) {
		d := s.Pieces[source].AgencyDump
		if d == nil {
			return nil, "", fmt.Errorf("the piece of %s has no agency dump", source)
		}
		h, err := certificate.Hash(d)
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
	plan, err := topology.ParseDump(first.Dump)
	return plan, hash, err
}
