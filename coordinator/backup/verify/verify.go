// Package verify checks a whole backup: that no piece is missing, that every byte is unchanged, and
// that the certificate still shows one instant.
package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// Servers has one DB server read its piece. It does not repeat the request.
type Servers interface {
	Verify(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) (dbclient.VerifyResponse, error)
}

// Verifier verifies backups. Any goroutine may use it.
type Verifier struct {
	Life     *operation.Life
	Clusters *topology.Reader
	Servers  Servers
	Steps    event.Sink
	Stall    time.Duration // a DB server that makes no progress for so long counts as a problem
}

// Result says what reading a whole backup again found.
type Result = client.VerifyResult

// Verify has every DB server read its whole piece, and checks the certificate against what they
// found. Problems of the backup are in the result and not an error. [apierror.NotFound]: the backup
// does not exist. A backup that none of the named keys has signed has a problem.
func (v *Verifier) Verify(ctx context.Context, id string, named ...certificate.PublicKey) (result Result, err error) {
	ctx, leave, err := v.Life.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	c, _, err := v.Clusters.Latest(ctx)
	if err != nil {
		return Result{}, err
	}
	steps := operation.NewEvents(event.Verify, id, v.Steps)
	steps.Emit(ctx, event.Event{Step: event.Verifying})
	defer func() {
		end := event.Event{Step: event.VerifyEnded, Detail: strings.Join(result.Problems, "; ")}
		if err != nil {
			end.Error = err.Error()
		}
		steps.Emit(ctx, end)
	}()
	answers := fanout.Ask(ctx, c.Members, 0, nil, func(ctx context.Context, m fanout.Member) (dbclient.VerifyResponse, error) {
		r, err := fanout.WhileItProgresses(ctx, v.Stall, m, func(ctx context.Context) (dbclient.VerifyResponse, error) {
			return v.Servers.Verify(ctx, m.Target, dbclient.PieceRequest{ID: id})
		})
		if err == nil {
			steps.Emit(ctx, event.Event{Step: event.PieceVerified, Server: m.ID, Detail: strings.Join(r.Problems, "; ")})
		}
		return r, err
	})
	if ctx.Err() != nil {
		return Result{}, operation.Cause(ctx, fanout.FirstError(answers))
	}
	result = Result{ID: id, Pieces: map[string]client.PieceReport{}, Problems: []string{}}
	set := piece.NewSet()
	for _, a := range answers {
		switch {
		case piece.Absent(a.Err) || slices.Contains(c.Tombstones[id], a.ID):
			continue // the server may never have had a piece, or must remove it
		case a.Err != nil:
			result.Problems = append(result.Problems, a.Err.Error())
			continue
		}
		add(&result, a.ID, a.Value)
		set.Add(a.ID, dbclient.PieceDetail{Piece: a.Value.Piece, Certificate: a.Value.Certificate})
	}
	record, recorded := c.Commits[id]
	if len(set.Pieces) == 0 && !recorded && len(result.Problems) == 0 {
		return Result{}, apierror.New(apierror.NotFound, "there is no backup %s", id)
	}
	if missing := set.Missing(record.Servers); len(missing) > 0 {
		result.Problems = append(result.Problems, "the pieces of "+c.Named(missing)+" are missing")
	}
	var problems []string
	result.Certificate, problems = set.Certify(record.CertificateSHA256)
	result.Problems = append(result.Problems, problems...)
	judge(&result, set, c.Trust(named))
	result.Intact = len(result.Problems) == 0
	return result, nil
}

// judge adds who has signed the backup.
func judge(r *Result, set *piece.Set, trust certificate.Trust) {
	signature, err := set.Signature(trust)
	if r.Signature = &signature; err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
}

// add adds what one server found.
func add(r *Result, holder string, v dbclient.VerifyResponse) {
	r.PotentiallyInconsistent = r.PotentiallyInconsistent || v.Piece.PotentiallyInconsistent
	r.Pieces[holder] = client.PieceReport{Source: v.Piece.ServerID, Files: v.Files, Bytes: v.Bytes, Problems: append([]string{}, v.Problems...)}
	for _, p := range v.Problems {
		r.Problems = append(r.Problems, holder+": "+p)
	}
}
