package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/step"
)

// create is a backup being made. Its fields are filled in by its steps, in order.
type create struct {
	*operation
	request CreateRequest
	moment  moment // the backup's time; id is made of it

	lease   *lease
	cluster *cluster
	planned map[string]plannedShard

	gates     gateWork
	marked    bool      // potentially inconsistent
	thawAsked time.Time // Plan was frozen until then
	linked    linkedWork
	pieces    map[string]dbserver.Piece
	behind    []string // servers that have not published yet
}

// linkedWork is what is sealed into the pieces.
type linkedWork struct {
	dump        json.RawMessage // AgencyDump
	dumpSHA256  string
	certificate json.RawMessage
	certSHA256  string
}

// Create makes a backup of the whole cluster. When it returns an error there is
// no backup and nothing of one is left, unless the error says that the outcome is
// unknown. When ctx ends before the commit, the backup is taken back.
func (s *Service) Create(ctx context.Context, r CreateRequest) (CreateResult, error) {
	r, err := r.checked()
	if err != nil {
		return CreateResult{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return CreateResult{}, err
	}
	defer leave()
	c := &create{operation: s.begin(keys.OperationCreate, ""), request: r}
	defer func() { c.lease.stop() }()
	limited, done := withDeadline(ctx, r.Deadline)
	defer done()
	if err := c.make(limited); err != nil {
		err = createError(c.overdue(inContext(limited, err)))
		c.rollBack(ctx, err)
		c.log.Warn("backup failed", "id", c.id, "error", err)
		return CreateResult{}, err
	}
	c.log.Info("backup made", "id", c.id, "inconsistent", c.marked, "unpublished", c.behind)
	return c.result(), nil
}

// make does the ten steps. Everything after lockAgency happens in a context that
// ends when the agency lock is lost.
func (c *create) make(ctx context.Context) error {
	held, err := c.lockAgency(ctx) // 1
	if err != nil {
		return err
	}
	err = c.steps.run(held, []stage{
		{"read Plan", c.dumpPlan},       // 2
		{"prepare", c.prepareAll},       // 3
		{"lock and cut", c.holdInstant}, // 4, 5, 6
		{"thaw", c.thaw},
		{"link", c.link},     // 7
		{"verify", c.verify}, // 8
		{"seal", c.seal},
		{"commit", c.commit}, // 9
	})
	if err != nil {
		return inContext(held, err)
	}
	c.publish(ctx) // 10
	return nil
}

// createError gives an error that has no number the one of a failed create.
func createError(err error) error {
	var e *apierror.Error
	if !errors.As(err, &e) || e.Num == apierror.ConnectionLost || e.Num == apierror.WrongEpoch {
		return apierror.New(apierror.BackupCreate, "create backup: %w", err)
	}
	return err
}

func (c *create) newID() string {
	c.moment = now()
	return c.moment.id(c.request.Label)
}

// lockAgency is step 1: from the index of its transaction on, Plan is frozen.
func (c *create) lockAgency(ctx context.Context) (context.Context, error) {
	deadline := c.lockDeadline()
	held, l, err := c.acquire(ctx, deadline, c.newID)
	if err != nil {
		return nil, err
	}
	c.lease = l
	if time.Until(deadline) <= 0 {
		return nil, apierror.New(apierror.ClusterTimeout, "the timeout of %v was over when the agency lock was free", c.request.Timeout)
	}
	return held, nil
}

// lockDeadline is when the timeout ends: until then all gates have to be held. What
// comes after it, and is not waited for by anybody, takes as long as it progresses.
func (c *create) lockDeadline() time.Time { return c.began.Add(c.request.Timeout) }

// dumpPlan is step 2. Being frozen since the lock's index, Plan is that of the
// lock's index whenever it is read. With it comes who takes part.
func (c *create) dumpPlan(ctx context.Context) error {
	c.emit(ctx, step.Event{Step: step.PlanDump})
	var err error
	if c.cluster, err = c.readCluster(ctx, c.lease.index); err != nil {
		return err
	}
	dump, err := c.cluster.dump()
	if err != nil {
		return err
	}
	if c.linked.dump, err = dbserver.Encode(dump); err != nil {
		return fmt.Errorf("encode agency dump: %w", err)
	}
	if c.linked.dumpSHA256, err = hashJSON(dump); err != nil {
		return fmt.Errorf("hash agency dump: %w", err)
	}
	plan, err := parseDump(dump.Dump)
	if err != nil {
		return err
	}
	if c.planned, err = plan.shards(); err != nil {
		return err
	}
	return c.settleID(ctx)
}

// prepareAll is step 3. From here on there is something of the backup on the
// servers.
func (c *create) prepareAll(ctx context.Context) error {
	c.undo.push("pieces", c.abandonPieces)
	return unavailable("all DB servers are needed for a backup", c.prepareUntil(ctx, c.lockDeadline()))
}

// prepareUntil is prepare, bounded by the end of the lock phase: Plan is frozen meanwhile.
func (c *create) prepareUntil(ctx context.Context, end time.Time) error {
	ctx, cancel := context.WithDeadlineCause(ctx, end,
		apierror.New(apierror.ClusterTimeout, "the timeout of %v was over before all DB servers were prepared", c.request.Timeout))
	defer cancel()
	return c.prepare(ctx)
}

// prepare has every server begin its pending piece and flush, so that little is
// left to do while the gates are held.
func (c *create) prepare(ctx context.Context) error {
	c.emit(ctx, step.Event{Step: step.Prepare})
	return tell(ctx, c.cluster.members, 0, func(ctx context.Context, m member) error {
		_, err := whileItProgresses(ctx, c.Service, m, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, c.Servers.Prepare(ctx, m.target, c.piece())
		})
		return err
	})
}

func (c *create) piece() dbserver.PieceRequest {
	return dbserver.PieceRequest{ID: c.id, Nonce: c.nonce}
}

// link is step 7: every server makes its pending piece complete and durable.
func (c *create) link(ctx context.Context) error {
	c.emit(ctx, step.Event{Step: step.Linking})
	request := dbserver.LinkRequest{
		ID: c.id, Nonce: c.nonce, DateTime: c.moment.DateTime(), Label: c.request.Label,
		NrDBServers: len(c.cluster.members), PotentiallyInconsistent: c.marked, AgencyDump: c.linked.dump,
		Statements: listed(c.gates.shards),
	}
	answers := ask(ctx, c.cluster.members, 0, anyError, func(ctx context.Context, m member) (dbserver.Piece, error) {
		start := time.Now()
		p, err := whileItProgresses(ctx, c.Service, m, func(ctx context.Context) (dbserver.Piece, error) {
			return c.Servers.Link(ctx, m.target, request)
		})
		if err == nil {
			c.emit(ctx, step.Event{Step: step.Linked, Server: m.id, Elapsed: time.Since(start)})
		}
		return p, err
	})
	if err := firstError(answers); err != nil {
		return err
	}
	c.pieces = make(map[string]dbserver.Piece, len(answers))
	for _, a := range answers {
		if a.value.ServerID != a.id {
			return fmt.Errorf("%s: the piece says it was made by %q", a.id, a.value.ServerID)
		}
		c.pieces[a.id] = a.value
	}
	return nil
}

// verify is step 8: the certificate is written and must hold. With
// allowInconsistent the gates' part of it may fail: the pieces were marked before
// they were linked.
func (c *create) verify(ctx context.Context) error {
	cert := c.certify()
	if problems := c.doubts(cert); len(problems) > 0 && !failpoint.Off("verify-before-commit") {
		return apierror.New(apierror.BackupCreate, "the backup does not hold: %s", strings.Join(problems, "; "))
	}
	raw, err := cert.Encode()
	if err != nil {
		return fmt.Errorf("encode certificate: %w", err)
	}
	c.linked.certificate = raw
	if c.linked.certSHA256, err = hashJSON(raw); err != nil {
		return fmt.Errorf("hash certificate: %w", err)
	}
	c.emit(ctx, step.Event{Step: step.Verified})
	return nil
}

// doubts is what does not fit between certificate, pieces and Plan.
func (c *create) doubts(cert *Certificate) []string {
	problems := append(cert.PieceProblems(c.pieces), cert.planProblems(c.planned)...)
	if !c.marked {
		problems = append(problems, cert.Problems()...)
	}
	return problems
}

// certify writes down the evidence.
func (c *create) certify() *Certificate {
	cert := &Certificate{
		Format: CertificateFormat, ID: c.id, DateTime: c.moment.DateTime(), Nonce: c.nonce,
		Coordinator: c.ID, Began: c.began.UTC().Format(time.RFC3339Nano),
		Agency: AgencyEvidence{
			ClusterID: c.cluster.uuid, Index: c.cluster.index, Term: c.cluster.term,
			Epoch: c.cluster.epoch, DumpSHA256: c.linked.dumpSHA256, ThawAsked: c.since(c.thawAsked),
		},
		Instant:                 c.gates.instant,
		Servers:                 map[string]ServerEvidence{},
		Shards:                  c.gates.shards,
		History:                 History{Lock: c.gates.report, Steps: slices.Clone(c.steps.done)},
		PotentiallyInconsistent: c.marked,
	}
	if c.marked {
		cert.Shards = confirmed(c.gates.shards, c.pieces)
	}
	for id, p := range c.pieces {
		e := c.gates.evidence[id]
		e.Piece = PieceEvidence{p.SizeInBytes, p.NrFiles, p.ManifestSHA256, p.AgencyDumpSHA256}
		cert.Servers[id] = e
	}
	return cert
}

// seal stores the certificate in every piece, so that a committed backup has it.
func (c *create) seal(ctx context.Context) error {
	err := tell(ctx, c.cluster.members, c.Timing.Deaf, func(ctx context.Context, m member) error {
		return c.Servers.Seal(ctx, m.target, dbserver.SealRequest{ID: c.id, Nonce: c.nonce, Certificate: c.linked.certificate})
	})
	if err == nil {
		c.emit(ctx, step.Event{Step: step.Sealed})
	}
	return err
}

// publish is step 10. A server that does not publish now will do so by itself as
// soon as it has asked the agency, so this can no longer fail, nor is it cut off
// when the client leaves.
func (c *create) publish(ctx context.Context) {
	ctx, cancel := c.afterCommit(ctx, c.Timing.Deaf)
	defer cancel()
	c.emit(ctx, step.Event{Step: step.Publishing})
	answers := ask(ctx, c.cluster.members, c.Timing.Deaf, nil, func(ctx context.Context, m member) (struct{}, error) {
		return struct{}{}, c.publishOn(ctx, m)
	})
	for _, a := range answers {
		if a.err != nil {
			c.behind = append(c.behind, a.id)
			c.log.Warn("piece not published yet; its server will do it", "id", c.id, "error", a.err)
		}
	}
}

// publishOn tries more than once: the answer may have been lost.
func (c *create) publishOn(ctx context.Context, m member) error {
	err := insist(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.Timing.Answer)
		defer cancel()
		return c.Servers.Publish(ctx, m.target, c.piece())
	})
	if err == nil {
		c.emit(ctx, step.Event{Step: step.Published, Server: m.id})
	}
	return err
}

func (c *create) result() CreateResult {
	r := CreateResult{
		ID: c.id, PotentiallyInconsistent: c.marked, NrDBServers: len(c.pieces), DateTime: c.moment.DateTime(),
		LockReport: c.gates.report, Unpublished: c.behind,
	}
	for p := range maps.Values(c.pieces) {
		r.SizeInBytes += p.SizeInBytes
		r.NrFiles += p.NrFiles
	}
	return r
}
