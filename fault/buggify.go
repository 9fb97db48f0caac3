package fault

import (
	"time"

	"stasis/internal/failpoint"
)

// Buggified are random delays in the code of the servers of this process.
type Buggified struct{ delays *failpoint.Delays }

// Buggify lets the servers of this process wait now and then, where another goroutine or another server may come
// first: at chosen points of the code, and after the steps that they tell as events. It finds what depends on who is
// faster. (FoundationDB has the word.) Each time that a server comes to such a point it waits with this
// probability, at most so long, a quarter of that on average. Whether and how long follows from the seed, the point,
// the server, and how often it has come there.
//
// Nothing waits while it holds a mutex, or longer than the context of its work, so Buggify can be used in a bubble. It is an
// error if the process has such delays already: there is one source for all its servers. In a process that nothing has
// called Buggify in, no point ever waits.
func Buggify(seed uint64, probability float64, longest time.Duration) (*Buggified, error) {
	delays, err := failpoint.Delay(seed, probability, longest)
	if err != nil {
		return nil, err
	}
	return &Buggified{delays}, nil
}

// Met is how often a server has waited.
func (b *Buggified) Met() int { return b.delays.Met() }

// End ends the delays; what waits goes on when its delay is over. Calling it again is harmless.
func (b *Buggified) End() { b.delays.End() }
