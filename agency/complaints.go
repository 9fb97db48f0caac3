package agency

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// complaintsEvery is between two lines about what others send.
const complaintsEvery = time.Minute

// complaints is what the log has of that others send what they must not: a line a
// minute, since how often they do that is up to them.
type complaints struct {
	logger hclog.Logger

	mu     sync.Mutex
	told   time.Time // the newest line
	untold int       // since then
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
