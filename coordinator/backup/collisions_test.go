package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/coordinator/catalog"
	"stasis/event"
	"stasis/internal/apierror"
)

// collider is what two coordinators may be asked for at once.
type collider string

const (
	creates  collider = "create"
	restores collider = "restore"
	deletes  collider = "delete"
	uploads  collider = "upload"
	defines  collider = "data definition"
	moves    collider = "move"
)

var colliders = []collider{creates, restores, deletes, uploads, defines, moves}

// collided are the pairs of which the second cannot go on while the first does, and what it is told:
// who is in the way, with what, and since when. All others go on beside each other: an upload reads
// what does not change, and a delete and data definition hold nothing between two transactions.
var collided = map[collider]map[collider][]string{
	creates: {
		creates:  {"the agency lock cannot be acquired: it is held by create of backup 2000-01-01T", "_first on CRDN-a since 2000-01-01T"},
		restores: {"it is held by create of backup 2000-01-01T", "_first on CRDN-a since"},
		defines:  {"databases and collections cannot be changed: the agency lock is held by create of backup 2000-01-01T", "_first on CRDN-a since"},
		moves:    {"1 job waits while Plan is frozen: the agency lock is held by create of backup 2000-01-01T", "_first on CRDN-a since"},
	},
	restores: {
		creates:  {"it is held by restore of backup 2000-01-01T", "_base on CRDN-a since"},
		restores: {"it is held by restore of backup 2000-01-01T", "_base on CRDN-a since"},
		deletes:  {"is not deleted: the agency lock is held by restore of backup 2000-01-01T", "_base on CRDN-a since"},
		defines:  {"the agency lock is held by restore of backup 2000-01-01T", "_base on CRDN-a since"},
		moves:    {"1 job waits while Plan is frozen: the agency lock is held by restore of backup", "_base on CRDN-a since"},
	},
	deletes: {
		restores: {"there is no backup 2000-01-01T", "it was deleted through CRDN-a at 2000-01-01T"},
		deletes:  {"was already deleted through CRDN-a at 2000-01-01T"},
		uploads:  {"there is no backup 2000-01-01T", "it was deleted through CRDN-a at 2000-01-01T"},
	},
	moves: {
		creates:  {"the agency lock cannot be acquired: job moveShard 1007 of shard s1 (PRMR-1 → PRMR-2) is pending, created by CRDN-a at 2000-01-01T"},
		restores: {"job moveShard 1007 of shard s1 (PRMR-1 → PRMR-2) is pending, created by CRDN-a at 2000-01-01T"},
	},
}

// collision is one world in which something is held at one coordinator, and something else is asked
// for at the other.
type collision struct {
	*world
	a, b *Service
	base string // id of a backup
	hold chan struct{}
	held chan event.Name
}

// Whatever is in the way, and whatever comes second through another coordinator: either both go on,
// or the second is told who is in the way, with which operation, and for how long.
func TestCollisionsNameTheHolder(t *testing.T) {
	for _, first := range colliders {
		for _, second := range colliders {
			t.Run(fmt.Sprintf("%s, then %s", first, second), func(t *testing.T) {
				inWorld(t, threeServers, func(w *world) {
					k := newCollision(w)
					end := k.begin(first)
					time.Sleep(3 * time.Second)
					err := k.second(second)
					require.NoError(t, end(), "who came first is not harmed")
					want := collided[first][second]
					if want == nil {
						require.NoError(t, err, "neither is in the way of the other")
						return
					}
					require.Error(t, err)
					require.Regexp(t, `\([3-6]s ago by the clock here\)`, err.Error())
					for _, part := range want {
						require.ErrorContains(t, err, part)
					}
				})
			})
		}
	}
}

func newCollision(w *world) *collision {
	k := &collision{world: w, hold: make(chan struct{}), held: make(chan event.Name, 1)}
	k.base = w.create("base").ID
	carriers := &carriers{a: w.agency, away: map[string]bool{}}
	k.a = w.service(coordinatorA, withMovers(carriers), withSteps(func(_ context.Context, e event.Event) {
		switch e.Step {
		case event.Prepare, event.Staging, event.DeleteDecided, event.TransferPlanned:
			k.held <- e.Step
			<-k.hold
		}
	}))
	k.b = w.service(coordinatorB, withMovers(carriers))
	return k
}

// begin starts what comes first, and returns when it is held in its middle. end lets it go on and
// returns how it ended.
func (k *collision) begin(what collider) (end func() error) {
	ctx, result := context.Background(), make(chan error, 1)
	switch what {
	case moves:
		k.pend(keys.Job{Type: keys.JobMoveShard, JobID: "1007", Creator: coordinatorA, TimeCreated: time.Now().UTC().Format(time.RFC3339), Database: "d", Shard: "s1", FromServer: "PRMR-1", ToServer: "PRMR-2"})
		return func() error { return nil }
	case defines: // the first of its two changes of Plan
		k.agency.must(k.t, agencyclient.Tx{Ops: map[string]any{keys.PlanDatabase("new"): keys.Database{ID: "1001", Name: "new", IsBuilding: true, Coordinator: coordinatorA, CoordinatorRebootID: 1}}})
		return func() error { return nil }
	case creates:
		go func() {
			_, err := k.a.Create(ctx, CreateRequest{Label: "first"})
			result <- err
		}()
	case restores:
		go func() {
			_, err := k.a.Restore(ctx, RestoreRequest{ID: k.base})
			result <- err
		}()
	case deletes: // one server removes its piece later, so the deletion is known
		k.servers["PRMR-3"].quirk(func(q *quirks) { q.behind = true })
		go func() {
			_, err := k.a.Delete(ctx, k.base)
			result <- err
		}()
	case uploads:
		go func() { result <- k.upload(k.a) }()
	}
	<-k.held
	return func() error {
		close(k.hold)
		return <-result
	}
}

// second asks for something at coordinator B, and returns what it was told.
func (k *collision) second(what collider) error {
	ctx, patience := context.Background(), 2500*time.Millisecond
	switch what {
	case creates:
		_, err := k.b.Create(ctx, CreateRequest{Label: "second", Timeout: patience})
		return err
	case restores:
		_, err := k.b.Restore(ctx, RestoreRequest{ID: k.base, Timeout: patience})
		return err
	case deletes:
		_, err := k.b.Delete(ctx, k.base)
		return err
	case uploads:
		return k.upload(k.b)
	case defines:
		return k.define(patience)
	}
	return k.move()
}

func (k *collision) upload(s *Service) error {
	r := transferOf(k.base)
	r.Kind = keys.TransferUpload
	id, err := s.transfers.Start(context.Background(), r)
	if err != nil {
		return err
	}
	for {
		st, err := s.transfers.Status(context.Background(), id)
		if err != nil || !st.Finished() {
			time.Sleep(time.Second)
			continue
		}
		for server, e := range st.DBServers {
			if e.Error != 0 {
				return apierror.New(apierror.Num(e.Error), "%s: %s", server, e.ErrorMessage)
			}
		}
		return nil
	}
}

// define creates a database, as a coordinator does it, without waiting for DB servers.
func (k *collision) define(patience time.Duration) error {
	c := catalog.New(catalog.Options{Agency: k.agency, Cache: k.agency, ID: coordinatorB, ThawWait: patience})
	defer c.Close()
	_, err := c.Change(context.Background(), func(*catalog.Snapshot) (agencyclient.Tx, error) {
		return agencyclient.Tx{Ops: map[string]any{keys.PlanDatabase("other"): keys.Database{ID: "1002", Name: "other"}}}, nil
	})
	return err
}

// move asks for a move. It is not refused: the supervision says what it waits for.
func (k *collision) move() error {
	k.agency.must(k.t, agencyclient.Tx{Ops: map[string]any{keys.TargetToDo + "/1008": keys.Job{
		Type: keys.JobMoveShard, JobID: "1008", Creator: coordinatorB, Database: "_system", Collection: "100", Shard: "s2", FromServer: "PRMR-2", ToServer: "PRMR-3",
	}}})
	var waits []string
	for _, d := range job.Next(k.agency.root(), job.NewMemory(nil), time.Now(), job.Timeouts{}) {
		if d.Step == event.JobsHeld {
			waits = append(waits, d.Detail)
		}
	}
	if waits == nil {
		return nil
	}
	return errors.New(strings.Join(waits, "; "))
}
