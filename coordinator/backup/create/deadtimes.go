package create

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// deadTimes is what the DB servers have told of the writers that queued behind this create, by
// attempt and server. It stands between the create and the servers, so that every answer to a
// release counts, whichever request it answers: a server whose answer was lost is asked again when
// the create is undone. What no server has told is unknown, which is not zero.
type deadTimes struct {
	Servers
	members []fanout.Member

	mu     sync.Mutex
	newest int // attempt
	told   map[gateAttempt]toldOf
	forgot map[string]bool // servers that do not remember the create
}

// gateAttempt is an attempt at one server's gate.
type gateAttempt struct {
	attempt int
	server  string
}

// toldOf is what a server has told, and when its answer had arrived.
type toldOf struct {
	dead certificate.DeadTime
	at   time.Time
}

func newDeadTimes(s Servers, members []fanout.Member) *deadTimes {
	return &deadTimes{Servers: s, members: members, told: map[gateAttempt]toldOf{}, forgot: map[string]bool{}}
}

// begin says which attempt is the newest.
func (d *deadTimes) begin(attempt int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest = attempt
	clear(d.forgot) // the attempt reaches also a server that the one before has not
}

// GateRelease passes the request on and keeps what the answer tells.
func (d *deadTimes) GateRelease(ctx context.Context, t dbclient.Target, r dbclient.GateReleaseRequest) (dbclient.GateReleaseResponse, error) {
	answer, err := d.Servers.GateRelease(ctx, t, r)
	if i := slices.IndexFunc(d.members, func(m fanout.Member) bool { return m.Target == t }); err == nil && i >= 0 {
		d.keep(d.members[i].ID, r, answer)
	}
	return answer, err
}

// keep notes an answer. A final release is answered for the newest attempt that has reached the
// server. If that is an earlier one, whose own release may have been lost, those after it have held up
// no writer there, and are refused when they arrive.
func (d *deadTimes) keep(server string, r dbclient.GateReleaseRequest, answer dbclient.GateReleaseResponse) {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := int(r.Attempt)
	if r.Final {
		asked = d.newest
	}
	switch about := int(answer.Attempt); {
	case about == 0:
		d.forgot[server] = true
	case about == asked, about < asked && r.Final:
		d.tell(gateAttempt{about, server}, certificate.DeadTime{
			Writers: answer.WritersWaited, SumSeconds: answer.DeadSumSeconds, LongestSeconds: answer.DeadLongestSeconds, P99Seconds: answer.DeadP99Seconds,
		})
		for n := about + 1; n <= asked; n++ {
			d.tell(gateAttempt{n, server}, certificate.DeadTime{})
		}
	}
}

// tell notes what is told of an attempt first. It is called with mu held.
func (d *deadTimes) tell(of gateAttempt, dead certificate.DeadTime) {
	if _, known := d.told[of]; !known {
		d.told[of] = toldOf{dead, time.Now()}
	}
}

// of returns what a server has told of an attempt.
func (d *deadTimes) of(attempt int, server string) (toldOf, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, known := d.told[gateAttempt{attempt, server}]
	return t, known
}

// missing returns the members that have not told of the newest attempt and may yet do so.
func (d *deadTimes) missing() []fanout.Member {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.newest == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.members), func(m fanout.Member) bool {
		_, known := d.told[gateAttempt{d.newest, m.ID}]
		return known || d.forgot[m.ID]
	})
}

// askAgain asks the servers that have not told, again and again, until each has or stop is called.
// stop waits for the requests.
func (d *deadTimes) askAgain(ctx context.Context, r dbclient.GateReleaseRequest) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var asking sync.WaitGroup
	for _, m := range d.missing() {
		asking.Go(func() {
			for {
				one, done := context.WithTimeout(ctx, 2*dbclient.GateSilence)
				_, err := d.GateRelease(one, m.Target, r)
				done()
				if err == nil || wait.For(ctx, operation.RetryPause) != nil {
					return
				}
			}
		})
	}
	return func() { cancel(); asking.Wait() }
}

// into writes what is known into a report: the dead time of each attempt at each server, and what
// they come to.
func (d *deadTimes) into(report *certificate.LockReport, since func(time.Time) float64) {
	report.WritersWaited, report.DeadSumSeconds, report.DeadLongestSeconds = 0, 0, 0
	unknown := map[string]bool{}
	for i := range report.Attempts {
		servers := report.Attempts[i].Servers
		for _, id := range slices.Sorted(maps.Keys(servers)) {
			s := servers[id]
			told, known := d.of(i+1, id)
			if !known && !failpoint.Off("untold-is-unknown") {
				unknown[id] = true
				continue
			}
			s.Dead, s.Opened = &told.dead, since(told.at)
			servers[id] = s
			report.WritersWaited += told.dead.Writers
			report.DeadSumSeconds += told.dead.SumSeconds
			report.DeadLongestSeconds = max(report.DeadLongestSeconds, told.dead.LongestSeconds)
		}
	}
	report.DeadUnknown = slices.Sorted(maps.Keys(unknown))
}
