package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stasis/client/certificate"
	"stasis/event"
	"stasis/lab/reader"
	"stasis/lab/verdict"
)

// logLimit bounds the wait until the agency's log has been followed up to a certificate.
const logLimit = 30 * time.Second

// Open is [reader.Open]. Pieces that are no whole backup are violations, not an error.
func Open(ctx context.Context, id string, pieces []reader.Piece) (*reader.Reader, []verdict.Violation, error) {
	r, err := reader.Open(ctx, id, pieces)
	var refusal *reader.Refusal
	if !errors.As(err, &refusal) {
		return r, nil, err
	}
	name := checkPieces
	if errors.Is(err, reader.ErrUnproven) {
		name = checkCertificate
	}
	var found []verdict.Violation
	for _, p := range refusal.Problems {
		found = append(found, verdict.Violation{Check: name, Text: fmt.Sprintf("the backup cannot be opened: %v: %s", refusal.Because, p)})
	}
	return nil, found, nil
}

// Backup judges one backup by its pieces: the workloads' invariants at the cut, replicas that are equal up to their stated
// positions, the Plan of the certificate's index, and the certificate. It fills in what can be measured. An error says that it is
// not known whether the rest is right: what was found before it is wrong whatever that is.
func Backup(ctx context.Context, r *reader.Reader, s Subject) (verdict.Backup, []verdict.Violation, error) {
	cert := r.Certificate()
	b := verdict.Backup{ID: s.Created.ID}
	measure(&b, &cert, s)
	j := &judgement{backup: &b}
	j.all(checkCertificate, contradictions(&cert, s))
	if err := j.plan(ctx, r, s.Plans); err != nil {
		return b, j.found, err
	}
	report, err := r.Inspect(ctx, nil)
	if err != nil {
		return b, j.found, fmt.Errorf("read backup %s: %w", r.ID(), err)
	}
	j.all(checkReplicas, report.Problems)
	if err := j.instant(ctx, r, s); err != nil {
		return b, j.found, err
	}
	b.Checked = !j.partly
	return b, j.found, nil
}

// judgement collects what is wrong with one backup.
type judgement struct {
	backup *verdict.Backup
	found  []verdict.Violation
	partly bool // something could not be judged
}

func (j *judgement) all(name string, problems []string) {
	for _, p := range problems {
		j.found = append(j.found, verdict.Violation{Check: name, Text: p})
	}
}

func (j *judgement) unknown(format string, args ...any) {
	j.backup.Unknown = append(j.backup.Unknown, fmt.Sprintf(format, args...))
}

// contradictions are what does not fit between the certificate, the answer to the create, and what the gates have told.
func contradictions(cert *certificate.Certificate, s Subject) []string {
	var all []string
	if cert.ID != s.Created.ID {
		all = append(all, fmt.Sprintf("it is of backup %s, and the create answered %s", cert.ID, s.Created.ID))
	}
	if cert.PotentiallyInconsistent != s.Created.PotentiallyInconsistent {
		all = append(all, fmt.Sprintf("it says that the backup is potentially inconsistent: %v, and the create answered %v", cert.PotentiallyInconsistent, s.Created.PotentiallyInconsistent))
	}
	if cert.PotentiallyInconsistent {
		return all // it claims no instant
	}
	all = append(all, cert.Problems()...)
	last := len(cert.History.Lock.Attempts)
	for _, e := range ownEvents(s.Events, is(cert.ID)) {
		if _, certified := cert.Servers[e.Server]; !certified || e.Attempt != last {
			continue
		}
		switch e.Step {
		case event.GateExpired, event.GateRefused:
			all = append(all, fmt.Sprintf("it says that %s held its gate in attempt %d, and the server told: %s", e.Server, last, e))
		}
	}
	return all
}

// plan compares the Plan in the pieces with the agency's log.
func (j *judgement) plan(ctx context.Context, r *reader.Reader, plans *Plans) error {
	if plans == nil {
		j.partly = true
		j.unknown("Plan: the agency's log was not followed")
		return nil
	}
	plan, index := r.Plan()
	bounded, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	if err := plans.Reached(bounded, index); err != nil {
		j.partly = true
		j.unknown("Plan: %v", err)
		return ctx.Err()
	}
	wrong, err := plans.differs(index, plan)
	switch {
	case err != nil:
		j.partly = true
		j.unknown("Plan: %v", err)
	case wrong != "":
		j.all(checkPlan, []string{wrong})
	}
	return nil
}

// instant asks the workloads, which read the backup and know their history, and compares what they answer: there is one instant for
// all of them.
func (j *judgement) instant(ctx context.Context, r *reader.Reader, s Subject) error {
	var wrong []string
	var unknown error
	var earliest, latest string // the workloads that say so
	for _, w := range s.Loads {
		f, err := w.CheckCut(ctx, r.Client(), s.Cut)
		if err != nil {
			unknown = errors.Join(unknown, fmt.Errorf("read backup %s: %w", r.ID(), err))
			continue
		}
		name := w.Spec().Name
		for _, p := range f.Problems {
			wrong = append(wrong, name+": "+p)
		}
		if earliest == "" || f.Earliest > j.backup.Earliest {
			j.backup.Earliest, earliest = f.Earliest, name
		}
		if latest == "" || f.Latest < j.backup.Latest {
			j.backup.Latest, latest = f.Latest, name
		}
	}
	if len(wrong) == 0 && j.backup.Earliest > j.backup.Latest {
		wrong = append(wrong, fmt.Sprintf("not one instant: what %s has is of %v or later, what %s has is of %v or earlier", earliest, j.backup.Earliest, latest, j.backup.Latest))
	}
	if s.Forced && s.Created.PotentiallyInconsistent {
		for _, p := range wrong {
			j.unknown("it was forced, and claims no instant: %s", p)
		}
		return unknown
	}
	j.all(checkInstant, wrong)
	return unknown
}
