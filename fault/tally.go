package fault

// Count is so many pieces of streams, and their bytes. The end of a connection and a step of a handshake are pieces
// without bytes.
type Count struct {
	Pieces int
	Bytes  int64
}

func (c *Count) add(bytes int) {
	c.Pieces++
	c.Bytes += int64(bytes)
}

// Tally is how often the rules of one direction between two hosts were met. A piece is counted once for each rule
// that it met.
type Tally struct {
	Held      Count // by Cut or Isolate
	Lost      Count // by Drop or HalfOpen
	Frozen    Count // by Freeze of the receiving host, or FreezeLink
	Delayed   Count // by Delay; the baseline latency is not counted
	Throttled Count
	Reset     int // connections, by Reset or HalfOpen
}

// kept is what did not arrive when it should have.
func (t Tally) kept() int { return t.Held.Pieces + t.Lost.Pieces + t.Frozen.Pieces }
