package create

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// link is step 7: every server makes its pending piece complete and durable.
func (c *creation) link(ctx context.Context) error {
	c.op.Emit(ctx, event.Event{Step: event.Linking})
	request := dbclient.LinkRequest{
		ID: c.op.ID, Nonce: c.op.Nonce, DateTime: c.moment.DateTime(), Label: c.request.Label,
		NrDBServers: len(c.cluster.Members), PotentiallyInconsistent: c.marked, AgencyDump: c.sealed.dump,
		LockMode:   c.gates.instant.Mode(),
		Statements: certificate.Listed(c.gates.statements),
	}
	answers := fanout.Ask(ctx, c.cluster.Members, 0, fanout.AnyError, func(ctx context.Context, m fanout.Member) (dbclient.Piece, error) {
		start := time.Now()
		p, err := fanout.WhileItProgresses(ctx, c.by.Timeouts.Stall, m, func(ctx context.Context) (dbclient.Piece, error) {
			return c.by.Servers.Link(ctx, m.Target, request)
		})
		if err == nil {
			c.op.Emit(ctx, event.Event{Step: event.Linked, Server: m.ID, Elapsed: time.Since(start)})
		}
		return p, err
	})
	if err := fanout.FirstError(answers); err != nil {
		return err
	}
	c.pieces = make(map[string]dbclient.Piece, len(answers))
	for _, a := range answers {
		if a.Value.ServerID != a.ID {
			return fmt.Errorf("%s: its piece names %q as the server that made it", a.ID, a.Value.ServerID)
		}
		c.pieces[a.ID] = a.Value
	}
	return nil
}

// verify is the first half of step 8: the certificate must hold. For a backup that is marked as
// potentially inconsistent the evidence of the gates may fail.
func (c *creation) verify(ctx context.Context) error {
	cert := c.certify()
	if problems := c.doubts(cert); len(problems) > 0 && !failpoint.Off("verify-before-commit") {
		return apierror.New(apierror.BackupCreate, "the certificate of the backup does not hold: %s", strings.Join(problems, "; "))
	}
	raw, err := c.by.Signer.Sign(cert)
	if err != nil {
		return fmt.Errorf("encode certificate: %w", err)
	}
	c.sealed.certificate, c.sealed.key = raw, cert.SigningKey
	if c.sealed.certificateSHA256, err = certificate.Hash(raw); err != nil {
		return fmt.Errorf("hash certificate: %w", err)
	}
	c.op.Emit(ctx, event.Event{Step: event.Verified})
	return nil
}

// doubts returns how certificate, pieces and Plan contradict each other.
func (c *creation) doubts(cert *certificate.Certificate) []string {
	problems := append(cert.PieceProblems(c.pieces), cert.PlanProblems(c.shards)...)
	if !c.marked {
		problems = append(problems, cert.Problems()...)
	}
	return problems
}

// certify makes the certificate of the evidence.
func (c *creation) certify() *certificate.Certificate {
	cert := &certificate.Certificate{
		Format: certificate.Format, ID: c.op.ID, DateTime: c.moment.DateTime(), Nonce: c.op.Nonce,
		Coordinator: c.by.Coordinator, Began: c.by.Locks.Wall.Of(c.op.Began).UTC().Format(time.RFC3339Nano),
		Agency: certificate.AgencyEvidence{
			ClusterID: c.cluster.UUID, Index: c.cluster.Index, Term: c.cluster.Term,
			Epoch: c.cluster.Epoch, DumpSHA256: c.sealed.dumpSHA256, ThawAsked: c.op.Since(c.thawAsked),
		},
		Instant:                 c.gates.instant,
		Servers:                 map[string]certificate.ServerEvidence{},
		Shards:                  c.gates.statements,
		History:                 certificate.History{Lock: c.gates.report},
		PotentiallyInconsistent: c.marked,
	}
	for _, lap := range c.op.Steps.Laps {
		cert.History.Steps = append(cert.History.Steps, certificate.StepDuration{Step: lap.Stage, Seconds: lap.Took.Seconds()})
	}
	if c.marked {
		cert.Shards = certificate.Confirmed(c.gates.statements, c.pieces)
	}
	for id, p := range c.pieces {
		e := c.gates.evidence[id]
		e.Piece = certificate.PieceEvidence{SizeInBytes: p.SizeInBytes, NrFiles: p.NrFiles, ManifestSHA256: p.ManifestSHA256, AgencyDumpSHA256: p.AgencyDumpSHA256}
		cert.Servers[id] = e
	}
	return cert
}

// seal is the second half of step 8: it stores the certificate in every piece, so that every
// committed backup has it.
func (c *creation) seal(ctx context.Context) error {
	request := dbclient.SealRequest{ID: c.op.ID, Nonce: c.op.Nonce, Certificate: c.sealed.certificate}
	err := fanout.Tell(ctx, c.cluster.Members, c.by.Timeouts.Stall, func(ctx context.Context, m fanout.Member) error {
		return c.by.Servers.Seal(ctx, m.Target, request)
	})
	if err == nil {
		c.op.Emit(ctx, event.Event{Step: event.Sealed})
	}
	return err
}
