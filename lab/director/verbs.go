package director

import (
	"context"
	"fmt"
	"time"

	"stasis/lab/scenario"
)

// verbs are what the actions do, by the names of their forms.
var verbs = map[string]action{
	"backup": beginOperation, "restore": beginOperation, "delete": beginOperation,
	"verify": beginOperation, "upload": beginOperation, "download": beginOperation,
	"wait": func(ctx context.Context, _ *stage, d deed) error { return sleep(ctx, scenario.Time(d.Args["time"])) },
	"wait up to": func(ctx context.Context, s *stage, d deed) error {
		return sleep(ctx, time.Duration(s.draw(d.Line, d.Text).Float64()*float64(scenario.Time(d.Args["time"]))))
	},
	"hold": holdAt, "release": releaseHeld,

	"cut": cutLinks, "cut both": cutLinks, "delay": delayLinks, "delay both": delayLinks,
	"throttle": throttleLinks, "drop": dropLinks, "reset": resetLinks,
	"isolate": isolateServers, "rejoin": rejoinServers, "freeze": freezeServers, "thaw": thawServers,
	"heal link": healLinks, "heal both": healLinks,
	"heal": func(_ context.Context, s *stage, _ deed) error { return s.heal() },

	"lose": addMessageRule, "duplicate": addMessageRule, "delay requests": addMessageRule, "reorder": addMessageRule,

	"kill": killServers, "restart": restartServers, "pause": pauseServers, "resume": resumeServers,
	"crash": crashServers, "skew clock": skewClocks, "lose disk": loseDisks, "start": startServers, "recover agency": recoverAgency,

	"hang disk": breakDisks, "slow disk": breakDisks, "fail disk": breakDisks, "fill disk": breakDisks,
	"tear disk": breakDisks, "heal disk": healDisks,
	"hang remote": breakRemote, "slow remote": breakRemote, "fail remote": breakRemote, "fill remote": breakRemote,
	"heal remote": func(_ context.Context, s *stage, _ deed) error { return s.world.Remote().HealAll() },

	"move shard": moveShard, "clean out": cleanOut, "remove": removeServers,
	"create collection": createCollection, "drop collection": dropCollection,
}

// act does one action. The error says which.
func act(ctx context.Context, s *stage, d deed) error {
	s.log(fmt.Sprintf("line %d: %s", d.Line, d.Text))
	inTime := d.inTime() // before it is done: it may end the operation, or what holds it
	if d.record != nil {
		s.disturbed.by(d.Verb)
	}
	err := resolveServers(ctx, s, &d)
	if err == nil {
		err = verbs[d.Verb](ctx, s, d)
	}
	if err != nil {
		return fmt.Errorf("line %d: %s: %w", d.Line, d.Text, err)
	}
	endLater(ctx, s, d)
	if d.record != nil {
		d.record.injected(inTime)
	}
	return nil
}
