package piece

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/agency/keys"
	"stasis/coordinator/backup/certificate"
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
	if s.Kind() == dbclient.PieceFailsafe {
		return plan, nil, nil
	}
	cert, err = s.agreedCertificate(record.CertificateSHA256)
	if err != nil {
		return nil, nil, err
	}
	shards, err := plan.Shards()
	if err != nil {
		return nil, nil, err
	}
	problems := s.problems(cert)
	if dumpHash != cert.Agency.DumpSHA256 {
		problems = append(problems, "the agency dump is not the one that was certified")
	}
	if problems = append(problems, cert.PlanProblems(shards)...); len(problems) > 0 {
		return nil, nil, errors.New(strings.Join(problems, "; "))
	}
	return plan, cert, nil
}

// problems returns how pieces and certificate contradict each other.
func (s *Set) problems(cert *certificate.Certificate) []string {
	problems := cert.PieceProblems(s.plain())
	if !cert.PotentiallyInconsistent {
		problems = append(problems, cert.Problems()...)
	}
	return problems
}

// Certify checks the certificate against the pieces, without their agency dumps. hash is that of
// the certificate on record, or "". A failsafe backup has no certificate; it must be complete.
func (s *Set) Certify(hash string) (*certificate.Certificate, []string) {
	if len(s.Pieces) == 0 {
		return nil, nil
	}
	if s.Kind() == dbclient.PieceFailsafe {
		for _, p := range s.Pieces {
			if len(s.Pieces) != p.NrDBServers {
				return nil, []string{"only some of the pieces are present"}
			}
		}
		return nil, nil
	}
	cert, err := s.agreedCertificate(hash)
	if err != nil {
		return nil, []string{err.Error()}
	}
	return cert, s.problems(cert)
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

// agreedCertificate returns the certificate that all pieces have in common. hash is that of the
// certificate on record, or "".
func (s *Set) agreedCertificate(hash string) (*certificate.Certificate, error) {
	var cert *certificate.Certificate
	for _, source := range slices.Sorted(maps.Keys(s.Pieces)) {
		raw := s.Pieces[source].Certificate
		if len(raw) == 0 {
			return nil, fmt.Errorf("the piece of %s has no certificate", source)
		}
		h, err := certificate.Hash(raw)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", source, err)
		}
		if hash == "" {
			hash = h
		}
		if h != hash {
			return nil, fmt.Errorf("the certificate of %s is not that of the backup", source)
		}
		if cert, err = certificate.Parse(raw); err != nil {
			return nil, err
		}
	}
	if cert == nil {
		return nil, errors.New("there are no pieces")
	}
	return cert, nil
}
