package transaction

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// decide asks the home for the decision.
func (c *commitment) decide(base context.Context) {
	t := c.t
	part, target := t.held.partAt(c.home.url)
	request := dbclient.TxnDecideRequest{TxnPart: part, WaitForSync: t.wantsSync() || len(c.others) > 0}
	for _, s := range c.others {
		request.Others = append(request.Others, s.at)
	}
	ctx, cancel := context.WithTimeout(c.patient, t.m.o.Timing.Request)
	sent := time.Now()
	err := t.m.o.Parts.Decide(ctx, target, c.home.at.Shard, request)
	cancel()
	switch {
	case err == nil:
		c.won(base)
	case errors.Is(err, apierror.GateClosed) && len(c.others) == 0:
		c.reopen(err)
	case isGone(err), notDone(err), failpoint.Off("lost-decision-is-asked-for"):
		c.fail(base, err)
	default:
		c.ask(base, sent, err)
	}
}

func (t *Transaction) wantsSync() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sync
}

// ask asks the home, to which the decide was sent at a time, until it tells. The client is told that the outcome is unknown when it
// has waited for long enough.
func (c *commitment) ask(base context.Context, sent time.Time, why error) {
	t := c.t
	t.m.o.Logger.Info("the home of a transaction has not answered whether it has decided: it is asked", "id", t.id, "shard", c.home.at.Shard, "error", why)
	doubt := time.Now().Add(t.m.o.Timing.Doubt)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		outcome, err := t.outcome(base, c.home.at)
		if outcome == dbclient.TxnAbortedAs && time.Since(sent) >= t.m.o.Timing.Trust && !failpoint.Off("late-home-is-not-believed") {
			outcome, err = "", errForgotten
		}
		switch {
		case outcome == dbclient.TxnCommitted:
			c.won(base)
			return
		case outcome == dbclient.TxnAbortedAs:
			c.fail(base, errors.New("its home has not decided it, and cannot any more; the answer was lost: "+why.Error()))
			return
		case err != nil:
			why = err
		}
		final := base.Err() != nil || errors.Is(err, errNobodyKnows)
		if final || !time.Now().Before(doubt) {
			c.doubt(why)
		}
		if final {
			t.m.over(t)
			return
		}
		_ = wait.For(base, pause) // the loop looks whether it has ended
	}
}
