package supervision

import (
	"context"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
)

// shortestTime is the length from which a string says until when the supervision
// is to pause. Shorter ones, and other values, are of old clients and mean for good.
const shortestTime = 18

// paused says whether somebody wants the supervision to do nothing, which it
// confirms in its mode. When it is to work again it says so as well.
//
// Until when is a time that another machine wrote. It is the one place where clocks
// are compared, and nothing depends on it but the patience of whoever wrote it.
func (s *supervisor) paused(ctx context.Context, root *fsm.Node, now time.Time) bool {
	wish := root.At(keys.Maintenance)
	if wish.Exists() && !over(wish, now) {
		s.enter(ctx, root, keys.ModeMaintenance, "until "+until(wish), agencyclient.Tx{
			Ops: map[string]any{}, Pre: map[string]any{keys.Maintenance: agencyclient.Exactly(wish)},
		}, now)
		return true
	}
	tx := agencyclient.Tx{Ops: map[string]any{}, Pre: map[string]any{keys.Maintenance: agencyclient.Exactly(wish)}}
	detail := "it was ended by a request"
	if wish.Exists() {
		tx.Ops[keys.Maintenance] = agencyclient.Delete()
		detail = "its time is over"
	}
	s.enter(ctx, root, keys.ModeNormal, detail, tx, now)
	return false
}

// enter writes the mode if it is another one, and what goes with it.
func (s *supervisor) enter(ctx context.Context, root *fsm.Node, mode, detail string, tx agencyclient.Tx, now time.Time) {
	was := root.At(keys.SupervisionSt)
	if was.At("Mode").Text() == mode && len(tx.Ops) == 0 {
		return
	}
	d := job.Decision{Tx: tx}
	if was.At("Mode").Text() != mode {
		tx.Ops[keys.SupervisionSt] = map[string]any{"Mode": mode, "Timestamp": stamp(now)}
		tx.Pre[keys.SupervisionSt] = agencyclient.Exactly(was)
		d.Step, d.Detail = ModeChanged, mode+", "+detail
	}
	s.change(ctx, d)
}

// over says whether a wish's time is over.
func over(wish *fsm.Node, now time.Time) bool {
	text := wish.Text()
	if len(text) < shortestTime {
		return false
	}
	end, err := time.Parse(time.RFC3339, text)
	return err == nil && !end.After(now) // what cannot be read ends when somebody removes it
}

func until(wish *fsm.Node) string {
	if text := wish.Text(); len(text) >= shortestTime {
		return text
	}
	return "somebody ends it"
}

// spare puts the maintenance of single DB servers into effect, and ends it.
func (s *supervisor) spare(ctx context.Context, root *fsm.Node, now time.Time) {
	wishes, effective := root.At(keys.TargetMaintenance), root.At(keys.CurrentMaintenance)
	for id, wish := range wishes.Children() {
		target, current := keys.TargetMaintenance+"/"+id, keys.CurrentMaintenance+"/"+id
		tx := agencyclient.Tx{Ops: map[string]any{}, Pre: map[string]any{target: agencyclient.Exactly(wish)}}
		detail := "maintenance until " + wish.At("Until").Text()
		switch {
		case over(wish.At("Until"), now) || wish.At("Mode").Text() != "maintenance":
			tx.Ops[target], tx.Ops[current] = agencyclient.Delete(), agencyclient.Delete()
			detail = "maintenance is over"
		case fsm.Equal(wish, effective.At(id)):
			continue
		default:
			tx.Ops[current] = wish
		}
		s.change(ctx, job.Decision{Tx: tx, Step: ServerSpared, Server: id, Detail: detail})
	}
	for id, is := range effective.Children() {
		target, current := keys.TargetMaintenance+"/"+id, keys.CurrentMaintenance+"/"+id
		if wishes.At(id).Exists() {
			continue
		}
		s.change(ctx, job.Decision{
			Tx: agencyclient.Tx{
				Ops: map[string]any{current: agencyclient.Delete()},
				Pre: map[string]any{current: agencyclient.Exactly(is), target: agencyclient.OldEmpty(true)},
			},
			Step: ServerSpared, Server: id, Detail: "its maintenance was ended by a request",
		})
	}
}
