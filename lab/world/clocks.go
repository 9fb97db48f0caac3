package world

import (
	"math/rand/v2"
	"time"
)

// skews is by how much the wall clock of each server is wrong from the start on, drawn from the seed: by up to
// Config.ClockSkew, ahead or behind.
func (c Config) skews() map[string]time.Duration {
	all := map[string]time.Duration{}
	if c.ClockSkew == 0 {
		return all
	}
	random := rand.New(rand.NewPCG(c.Seed, 4))
	for _, name := range hostsOf(c) {
		if name != Client {
			all[name] = time.Duration(random.Int64N(int64(2*c.ClockSkew)+1)) - c.ClockSkew
		}
	}
	return all
}
