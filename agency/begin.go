package agency

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"stasis/agency/founding"
	"stasis/agency/member"
)

// begin founds an agency of one, finishes a founding that was decided, and makes a learner of an
// agent that starts with nothing among others.
func (a *Agent) begin(c Config, config *raft.Config, t raft.Transport) error {
	pristine, err := a.disk.Pristine()
	if err != nil {
		return err
	}
	mine := a.origins.Part()
	switch {
	case pristine && len(mine.Seeds) > 0: // died in the founding, which had been decided
		_, err := a.learner.Load() // another founder ends it
		return errors.Join(err, a.disk.Bootstrap(config, t, member.First(mine.Members)))
	case pristine && (len(c.Join) > 0 || len(c.Peers) > 1):
		// A leader that called it has given it nothing yet.
		if err := a.origins.Forget(); err != nil {
			return err
		}
		if err := a.learner.Begin(); err != nil {
			return fmt.Errorf("begin as a learner: %w", err)
		}
	case pristine:
		if err := a.origins.Become(founding.Alone(a.id, c.Peers)); err != nil {
			return err
		}
		return a.disk.Bootstrap(config, t, member.First(c.Peers))
	default:
		_, err := a.learner.Load()
		last, lerr := a.disk.Log.LastIndex()
		a.tree.MembersAfter(last)
		return errors.Join(err, lerr)
	}
	return nil
}
