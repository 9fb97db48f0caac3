package director

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
	"stasis/minicluster"
)

// dead is a world whose servers do not come back, and in which nothing else can be done.
type dead struct {
	alone
	during func() // what happens meanwhile
}

func (dead) Nodes() []minicluster.Node {
	return []minicluster.Node{{Name: "dbserver-1"}, {Name: "dbserver-2"}}
}
func (dead) HealAll() error      { return nil }
func (dead) Resume(string) error { return nil }
func (d dead) Restart(context.Context, string) error {
	if d.during != nil {
		d.during()
	}
	return errors.New("it ends at once")
}

// halted is an operation that another step holds, until the channel is closed.
type halted chan struct{}

func (halted) Reached() <-chan struct{} { return nil }
func (h halted) Over() <-chan struct{}  { return h }
func (halted) End()                     {}

// A server that does not come back is a violation if nothing is broken. If something is that the scenario has done, or was meanwhile, it
// is a restart that was refused.
func TestServerThatDoesNotComeBack(t *testing.T) {
	restart := scenario.Action{Verb: "restart", Text: "restart dbserver-1", Line: 7, Args: map[string]string{"a": "dbserver-1"}}
	over := make(chan struct{})
	close(over)
	for name, c := range map[string]struct {
		before func(s *stage, do func(verb string))
		during string
		want   int
	}{
		"nothing is broken":          {want: 1},
		"it was killed":              {before: func(_ *stage, do func(string)) { do("kill") }, want: 1},
		"a link is cut":              {before: func(_ *stage, do func(string)) { do("cut") }},
		"a cut was healed":           {before: func(s *stage, do func(string)) { do("cut"); require.NoError(t, s.heal()) }, want: 1},
		"its disk is lost":           {before: func(s *stage, do func(string)) { do("lose disk"); require.NoError(t, s.heal()) }},
		"another one is dead":        {before: func(s *stage, _ func(string)) { s.mark(s.down, "dbserver-2", true) }},
		"another one is paused":      {before: func(s *stage, _ func(string)) { s.mark(s.paused, "dbserver-2", true) }},
		"an operation is held":       {before: func(s *stage, _ func(string)) { s.disturbed.at(&focus{held: halted(nil)}) }},
		"a hold is over":             {before: func(s *stage, _ func(string)) { s.disturbed.at(&focus{held: halted(over)}) }, want: 1},
		"a step was left":            {before: func(s *stage, _ func(string)) { s.disturbed.at(&focus{held: halted(nil)})() }, want: 1},
		"a link is cut meanwhile":    {during: "cut"},
		"another is killed meantime": {during: "kill"},
	} {
		t.Run(name, func(t *testing.T) {
			var r result
			all := &faults{}
			w := &dead{}
			s := &stage{
				world: w, log: func(string) {}, faults: all, choice: &chooser{world: w, first: map[string]string{}, named: map[string][]string{}},
				down: map[string]bool{}, paused: map[string]bool{}, violated: r.violated,
			}
			do := func(verb string) { s.disturbed.by(verb) }
			if c.before != nil {
				c.before(s, do)
			}
			if c.during != "" {
				w.during = func() { do(c.during) }
			}
			require.NoError(t, act(t.Context(), s, deed{Action: restart, record: all.of(restart, "")}))
			require.Len(t, r.found, c.want)
			for _, v := range r.found {
				require.Equal(t, 7, v.Line)
				require.Contains(t, v.Text, "dbserver-1 did not come back when it was restarted, and nothing was broken: it ends at once")
			}
			_, vacuous := all.list()
			require.Len(t, vacuous, 1, "the restart was refused, too")
		})
	}
}
