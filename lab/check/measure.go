package check

import (
	"slices"
	"strings"
	"time"

	"stasis/client/certificate"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/verdict"
)

// ownEvents are the events of creates whose id is meant.
func ownEvents(events []event.Event, meant func(id string) bool) []event.Event {
	var all []event.Event
	for _, e := range events {
		if e.Operation == event.Create && meant(e.ID) {
			all = append(all, e)
		}
	}
	return all
}

func is(id string) func(string) bool { return func(other string) bool { return other == id } }

// Failed is what the events tell of a create that has failed. Its label has to be that of no other.
func Failed(label string, events []event.Event) verdict.Backup {
	b := verdict.Backup{Label: label}
	b.Lacks(verdict.MeasureHold, verdict.MeasureSlack, verdict.MeasureStraddles, verdict.MeasureRPO, verdict.MeasureRTO)
	for measure, told := range fromEvents(&b, ownEvents(events, func(id string) bool { return strings.HasSuffix(id, "_"+label) })) {
		if !told {
			b.Lacks(measure)
		}
	}
	slices.Sort(b.Unmeasured)
	return b
}

// measure fills in what is measured of a backup. What servers told themselves comes before what the coordinator has seen of it.
func measure(b *verdict.Backup, cert *certificate.Certificate, s Subject) {
	b.Lacks(verdict.MeasureRTO) // it is not restored yet
	fromCertificate(b, cert)
	own := ownEvents(s.Events, is(s.Created.ID))
	fromEvents(b, own)
	if cert.Instant.LockMode != certificate.LockModeNone {
		slack, known := slackOf(own, b.Attempts)
		if b.Slack = slack; !known {
			b.Lacks(verdict.MeasureSlack)
			b.Unknown = append(b.Unknown, "slack: the DB servers' events do not tell how long the gates might have been held")
		}
	} else {
		b.Lacks(verdict.MeasureSlack) // no gate was held
	}
	instant, committed, known := instantOf(own)
	switch {
	case !known:
		b.Lacks(verdict.MeasureRPO, verdict.MeasureStraddles)
		b.Unknown = append(b.Unknown, "RPO, writes at the cut: the coordinator's events do not tell when cut and commit were")
		return
	case committed.IsZero():
		b.Lacks(verdict.MeasureRPO)
		b.Unknown = append(b.Unknown, "RPO: the coordinator's events do not tell when the backup was committed")
	default:
		b.RPO = committed.Sub(instant.from)
	}
	if s.History == nil {
		b.Lacks(verdict.MeasureStraddles)
		b.Unknown = append(b.Unknown, "writes at the cut: there is no history")
		return
	}
	b.Straddles = inFlight(s.History, []period{instant}, history.Op.Write)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// fromCertificate is what the coordinator has seen, by its clock.
func fromCertificate(b *verdict.Backup, cert *certificate.Certificate) {
	for _, a := range cert.History.Lock.Attempts {
		b.Window, b.DeadTime = seconds(a.WindowSeconds), max(b.DeadTime, seconds(a.ElapsedSeconds))
	}
	b.Attempts = len(cert.History.Lock.Attempts)
	b.Hold = seconds(cert.Instant.To - cert.Instant.From)
	var cuts []float64
	for _, e := range cert.Servers {
		cuts = append(cuts, e.CutDone)
	}
	if len(cuts) > 0 {
		b.CutSkew = seconds(slices.Max(cuts) - slices.Min(cuts))
	}
}

// fromEvents is what servers have told: attempts and windows by the coordinator, gates and cuts by each DB server. Times are
// compared between events of one server, and for the skew of the cuts between those of all. It returns which numbers they tell.
func fromEvents(b *verdict.Backup, own []event.Event) map[string]bool {
	type lock struct {
		server  string
		attempt int
	}
	asked, cuts, dead := map[lock]time.Time{}, map[int][]time.Time{}, time.Duration(-1)
	for _, e := range own {
		l := lock{e.Server, e.Attempt}
		switch e.Step {
		case event.LockAttempt:
			b.Attempts, b.Window = e.Attempt, e.Window
		case event.GateAsked:
			asked[l] = e.At
		case event.GateReleased, event.GateExpired, event.GateRefused:
			if at, known := asked[l]; known {
				dead = max(dead, e.At.Sub(at))
			}
		case event.CutFixed:
			cuts[e.Attempt] = append(cuts[e.Attempt], e.At)
		}
	}
	if dead >= 0 {
		b.DeadTime = dead
	}
	last := cuts[b.Attempts]
	if len(last) > 0 {
		b.CutSkew = slices.MaxFunc(last, time.Time.Compare).Sub(slices.MinFunc(last, time.Time.Compare))
	}
	return map[string]bool{
		verdict.MeasureAttempts: b.Attempts > 0, verdict.MeasureWindow: b.Attempts > 0, verdict.MeasureDeadTime: dead >= 0, verdict.MeasureCutSkew: len(last) > 0,
	}
}

// slackOf is how much longer the gate with the least slack could have been held in an attempt.
func slackOf(own []event.Event, attempt int) (least time.Duration, known bool) {
	lease := map[string]time.Duration{}
	for _, e := range own {
		switch {
		case e.Attempt != attempt:
		case e.Step == event.GateGranted:
			lease[e.Server] = e.Window
		case e.Step == event.GateReleased && lease[e.Server] > 0:
			if slack := lease[e.Server] - e.Elapsed; !known || slack < least {
				least, known = slack, true
			}
		}
	}
	return least, known
}

// period is a part of a run, by the wall clock.
type period struct{ from, to time.Time }

// instantOf is the time in which the cuts of the last attempt were made, and when the backup was committed.
func instantOf(own []event.Event) (p period, committed time.Time, known bool) {
	for _, e := range own {
		switch e.Step {
		case event.Cut:
			p, known = period{e.At, e.At}, true
		case event.CutDone, event.GatesOpened:
			p.to = e.At
		case event.Committed:
			committed = e.At
		}
	}
	return p, committed, known
}

// Straddling counts operations that were in flight while the gates of some create were asked for or held: those that a cut could have
// torn. counts says which of them count.
func Straddling(h *history.History, events []event.Event, counts func(history.Op) bool) int {
	type create struct{ emitter, id string }
	open := map[create]*period{}
	var all []*period
	for _, e := range events {
		c := create{e.Emitter, e.ID}
		switch {
		case e.Operation != event.Create:
		case e.Step == event.LockAttempt, e.Step == event.Unprotected:
			open[c] = &period{e.At, e.At}
			all = append(all, open[c])
		case open[c] != nil && slices.Contains([]event.Name{event.Locked, event.Cut, event.CutDone, event.GatesOpened, event.LockFailed, event.Undoing}, e.Step):
			open[c].to = e.At
		}
	}
	periods := make([]period, len(all))
	for i, p := range all {
		periods[i] = *p
	}
	return inFlight(h, periods, counts)
}

// inFlight counts the operations that had begun before the end of one of the periods and ended after its beginning.
func inFlight(h *history.History, periods []period, counts func(history.Op) bool) int {
	began := time.Now().Add(-h.Now().At) // of the history's clock
	n := 0
	for _, o := range h.Ops() {
		if counts(o) && slices.ContainsFunc(periods, func(p period) bool {
			return o.Begin <= p.to.Sub(began) && (o.EndOrder == 0 || o.End >= p.from.Sub(began))
		}) {
			n++
		}
	}
	return n
}
