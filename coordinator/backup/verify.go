package backup

import (
	"context"
	"encoding/json"
	"slices"

	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Verify has every DB server read its whole piece again, and checks the
// certificate against what they found. What is wrong is in the result, not an
// error; a backup that is nowhere is 404.
func (s *Service) Verify(ctx context.Context, id string) (VerifyResult, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return VerifyResult{}, err
	}
	defer leave()
	c, _, err := s.current(ctx)
	if err != nil {
		return VerifyResult{}, err
	}
	answers := ask(ctx, c.members, 0, nil, func(ctx context.Context, m member) (dbserver.VerifyResponse, error) {
		return whileItProgresses(ctx, s, m, func(ctx context.Context) (dbserver.VerifyResponse, error) {
			return s.Servers.Verify(ctx, m.target, dbserver.PieceRequest{ID: id})
		})
	})
	if ctx.Err() != nil {
		return VerifyResult{}, inContext(ctx, firstError(answers))
	}
	result := VerifyResult{ID: id, Pieces: map[string]PieceReport{}, Problems: []string{}}
	set := newPieceSet()
	for _, a := range answers {
		switch {
		case absent(a.err) || slices.Contains(c.doomed[id], a.id):
			continue // it may never have had one, or it has to go
		case a.err != nil:
			result.Problems = append(result.Problems, a.err.Error())
			continue
		}
		result.add(a.id, a.value, set)
	}
	commit, committed := c.commits[id]
	if len(set.pieces) == 0 && !committed && len(result.Problems) == 0 {
		return VerifyResult{}, apierror.New(apierror.NotFound, "there is no backup %s", id)
	}
	if missing := set.missing(commit.Servers); len(missing) > 0 {
		result.Problems = append(result.Problems, "the pieces of "+c.named(missing)+" are missing")
	}
	result.certify(set, commit.CertificateSHA256)
	result.Intact = len(result.Problems) == 0
	return result, nil
}

// add takes over what one server found.
func (r *VerifyResult) add(holder string, v dbserver.VerifyResponse, set *pieceSet) {
	set.pieces[v.Piece.ServerID] = dbserver.PieceDetail{Piece: v.Piece, Certificate: v.Certificate}
	set.holders[v.Piece.ServerID] = holder
	r.PotentiallyInconsistent = r.PotentiallyInconsistent || v.Piece.PotentiallyInconsistent
	r.Pieces[holder] = PieceReport{Source: v.Piece.ServerID, Files: v.Files, Bytes: v.Bytes, Problems: append([]string{}, v.Problems...)}
	for _, p := range v.Problems {
		r.Problems = append(r.Problems, holder+": "+p)
	}
}

// certify checks the certificate, which a failsafe backup does not have.
func (r *VerifyResult) certify(set *pieceSet, recorded string) {
	if len(set.pieces) == 0 {
		return
	}
	if set.kind() == dbserver.PieceFailsafe {
		for _, p := range set.pieces {
			if len(set.pieces) != p.NrDBServers {
				r.Problems = append(r.Problems, "only some of the pieces are present")
				return
			}
		}
		return
	}
	cert, err := set.certificateOf(recorded)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
		return
	}
	r.Certificate = cert
	r.Problems = append(r.Problems, cert.PieceProblems(set.plain())...)
	if !cert.PotentiallyInconsistent {
		r.Problems = append(r.Problems, cert.Problems()...)
	}
}

// CheckOffline checks a backup by what is stored in its pieces alone, without a
// cluster: pieces and their certificates by the server that made each. A failsafe
// backup has no certificate.
func CheckOffline(pieces map[string]dbserver.Piece, certificates map[string]json.RawMessage) (*Certificate, []string) {
	set := newPieceSet()
	for source, p := range pieces {
		set.pieces[source] = dbserver.PieceDetail{Piece: p, Certificate: certificates[source]}
	}
	var r VerifyResult
	r.certify(set, "")
	return r.Certificate, r.Problems
}
