package supervision

import (
	"context"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
)

// shortestTime is the length from which a string says until when the supervision is to pause.
// Shorter strings, and other values, are of old clients: the pause lasts until it is ended.
const shortestTime = 18

// paused says whether the supervision is asked to do nothing. It confirms that in its mode, and
// says there as well when it works again.
//
// Until when is a time that another machine wrote. This is the one place where clocks of two
// machines are compared: nothing depends on it but how long the supervision pauses.
func paused(ctx context.Context, p *proposer, root *fsm.Node, now time.Time) bool {
	asked := root.At(keys.Maintenance)
	pause := asked.Exists() && !over(asked, now)
	var d job.Decision
	switch {
	case pause:
		d = modeChange(root, now, keys.ModeMaintenance, "until "+until(asked))
	case asked.Exists():
		d = modeChange(root, now, keys.ModeNormal, "its time is over")
		d.Tx.Ops[keys.Maintenance] = agencyclient.Delete()
	default:
		d = modeChange(root, now, keys.ModeNormal, "it was ended by a request")
	}
	d.Tx.Pre[keys.Maintenance] = agencyclient.Exactly(asked)
	if len(d.Tx.Ops) > 0 {
		p.change(ctx, d)
	}
	return pause
}

// modeChange writes a mode, if it is not on record already.
func modeChange(root *fsm.Node, now time.Time, mode, detail string) job.Decision {
	d := job.Decision{Tx: agencyclient.NewTx()}
	if was := root.At(keys.SupervisionState); was.At("Mode").Text() != mode {
		d.Tx.Ops[keys.SupervisionState] = map[string]any{"Mode": mode, "Timestamp": stamp(now)}
		d.Tx.Pre[keys.SupervisionState] = agencyclient.Exactly(was)
		d.Step, d.Detail = event.SupervisionModeChanged, mode+", "+detail
	}
	return d
}

// over says whether the time of a maintenance is over. A value that is no time is over when it
// is removed.
func over(asked *fsm.Node, now time.Time) bool {
	text := asked.Text()
	if len(text) < shortestTime {
		return false
	}
	end, err := time.Parse(time.RFC3339, text)
	return err == nil && !end.After(now)
}

func until(asked *fsm.Node) string {
	if text := asked.Text(); len(text) >= shortestTime {
		return text
	}
	return "it is ended by a request"
}

// maintainServers puts the maintenance of single DB servers into effect, and ends it.
func maintainServers(ctx context.Context, p *proposer, root *fsm.Node, now time.Time) {
	asked, effective := root.At(keys.TargetMaintenance), root.At(keys.CurrentMaintenance)
	for id, entry := range asked.Children() {
		target, current := keys.TargetMaintenance+"/"+id, keys.CurrentMaintenance+"/"+id
		tx := agencyclient.NewTx()
		tx.Pre[target] = agencyclient.Exactly(entry)
		detail := "maintenance until " + entry.At("Until").Text()
		switch {
		case over(entry.At("Until"), now) || entry.At("Mode").Text() != "maintenance":
			tx.Ops[target], tx.Ops[current] = agencyclient.Delete(), agencyclient.Delete()
			detail = "maintenance is over"
		case fsm.Equal(entry, effective.At(id)):
			continue
		default:
			tx.Ops[current] = entry
		}
		p.change(ctx, job.Decision{Tx: tx, Step: event.MaintenanceChanged, Server: id, Detail: detail})
	}
	for id, is := range effective.Children() {
		if asked.At(id).Exists() {
			continue
		}
		target, current := keys.TargetMaintenance+"/"+id, keys.CurrentMaintenance+"/"+id
		tx := agencyclient.NewTx()
		tx.Ops[current], tx.Pre[current] = agencyclient.Delete(), agencyclient.Exactly(is)
		tx.Pre[target] = agencyclient.OldEmpty(true)
		p.change(ctx, job.Decision{Tx: tx, Step: event.MaintenanceChanged, Server: id, Detail: "its maintenance was ended by a request"})
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
