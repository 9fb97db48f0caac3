package raftnode

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// complaintsEvery is the time between two lines about what others send.
const complaintsEvery = time.Minute

// complaints logs that others send what they must not send: one line a minute, because they decide
// how often they do it.
type complaints struct {
	logger hclog.Logger

	mu     sync.Mutex
	told   time.Time // when the newest line was logged
	untold int       // complaints since then
}

// tell logs a complaint, or counts it.
func (c *complaints) tell(what string, err error) {
	c.mu.Lock()
	if !c.told.IsZero() && time.Since(c.told) < complaintsEvery {
		c.untold++
		c.mu.Unlock()
		c.logger.Debug(what, "error", err)
		return
	}
	untold := c.untold
	c.told, c.untold = time.Now(), 0
	c.mu.Unlock()
	c.logger.Warn(what, "error", err, "since the last such line", untold)
}
