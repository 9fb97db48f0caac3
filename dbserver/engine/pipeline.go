package engine

import (
	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/failpoint"
)

// pipeline is the way into Pebble for what writes. Pebble numbers commits under a mutex, and
// keeps it while it closes a full log, which waits for the disk. On a disk that hangs the
// others would wait for that mutex, which no limit ends and under which virtual time stops.
// Here they wait for a channel instead, and the wait for a sync is outside: many commits
// still share one.
type pipeline struct {
	db   *pebble.DB
	fail *failure
	turn chan struct{} // holds a token while a goroutine is inside
}

func newPipeline(db *pebble.DB, fail *failure) *pipeline {
	return &pipeline{db: db, fail: fail, turn: make(chan struct{}, 1)}
}

// inTurn calls do while no other is inside. A panic inside is a failure for good, under which
// Pebble may keep its mutex. So it does not leave: the turn would be another's before the
// failure is noted.
func (p *pipeline) inTurn(do func() error) error {
	if failpoint.Off("pipeline-turns") {
		return do()
	}
	select {
	case p.turn <- struct{}{}:
	case <-p.fail.ch:
		return p.fail.err()
	}
	err := p.fail.refuse()
	if err == nil {
		err = do()
	}
	<-p.turn
	return err
}

// apply commits a batch.
func (p *pipeline) apply(b *pebble.Batch, sync bool) error {
	if !sync {
		return p.inTurn(func() error { return p.db.Apply(b, pebble.NoSync) })
	}
	if err := p.inTurn(func() error { return p.db.ApplyNoSyncWait(b, pebble.Sync) }); err != nil {
		return err
	}
	err := b.SyncWait()
	if err != nil {
		p.fail.set(err) // as in Pebble's own commits: what follows cannot be trusted
	}
	return err
}

// sync makes all commits that have returned durable.
func (p *pipeline) sync() error {
	b := p.db.NewBatch()
	if err := b.LogData(nil, nil); err != nil {
		return err
	}
	if err := p.apply(b, true); err != nil {
		return err
	}
	return b.Close()
}

// rotate closes the present log and begins a new one, with a new memtable. The result is
// closed when the old memtable is in tables.
func (p *pipeline) rotate() (flushed <-chan struct{}, err error) {
	err = p.inTurn(func() error {
		flushed, err = p.db.AsyncFlush()
		return err
	})
	return flushed, err
}

// flush is rotate, and waits.
func (p *pipeline) flush() error {
	flushed, err := p.rotate()
	if err != nil {
		return err
	}
	<-flushed
	return nil
}
