package transfer

import (
	"sync"
	"time"

	"stasis/agency/keys"
	"stasis/internal/wall"
)

// progress counts what a job has done.
type progress struct {
	wall wall.Clock

	mu      sync.Mutex
	total   int
	bytes   int64
	ready   int
	covered int64
	through int64
	began   time.Time
	rates   rates
}

// rates is the rate between two looks.
type rates struct {
	at    time.Time
	moved int64
	last  float64
}

// expect sets what there is to do, and starts counting again.
func (p *progress) expect(files int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total, p.bytes, p.ready, p.covered, p.began = files, bytes, 0, 0, time.Now()
	p.rates.at, p.rates.moved = p.began, p.through
}

// done counts a file that is where it should be.
func (p *progress) done(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready++
	p.covered += bytes
}

func (p *progress) allDone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready, p.covered = p.total, p.bytes
}

// moved counts bytes that went through the network, also those that went again.
func (p *progress) moved(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.through += int64(n)
}

// atEnd returns the counts with the rate over the whole time; nil if the job had nothing
// to do yet.
func (p *progress) atEnd() *keys.TransferProgress {
	all := p.look()
	if all.Total == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := time.Since(p.began).Seconds(); d > 0 {
		all.BytesPerSecond = float64(p.through) / d
	}
	return all
}

// look returns the counts, with the rate since the last look.
func (p *progress) look() *keys.TransferProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if d := now.Sub(p.rates.at).Seconds(); d > 0.05 {
		p.rates = rates{at: now, moved: p.through, last: float64(p.through-p.rates.moved) / d}
	}
	stamp := p.wall.Stamp()
	return &keys.TransferProgress{
		Total: p.total, Done: p.ready, BytesTotal: p.bytes, BytesDone: p.covered, BytesMoved: p.through,
		BytesPerSecond: p.rates.last, Time: stamp, Timestamp: stamp,
	}
}
