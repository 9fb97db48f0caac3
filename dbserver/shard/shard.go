package shard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"stasis/dbserver/engine"
	"stasis/internal/apierror"
)

// DefaultRetention is what a shard's log keeps at most, unless told otherwise.
var DefaultRetention = Retention{Entries: 100_000, Bytes: 64 << 20}

// ErrNoShard answers Open for a shard that the engine does not hold.
var ErrNoShard = errors.New("no such shard")

// Env is what the shards of one server share.
type Env struct {
	Engine    *engine.Engine
	Clock     *Clock    // attached to the engine's ClockStore
	Retention Retention // zero: DefaultRetention
}

// Quorum is what a leader's writes depend on.
type Quorum interface {
	// Admit says whether a write may begin: an error means that nothing was done.
	Admit() error
	// Await returns when the records up to seq are committed; with sync, when they
	// are also on disk in all in-sync replicas, this one included. An error means that
	// their outcome is unknown. ctx is not the client's: what has been numbered is
	// waited for, whoever still listens.
	Await(ctx context.Context, seq uint64, sync bool) error
}

// Shard is one replica of a shard in an engine. All methods may be used by many
// goroutines at once.
type Shard struct {
	name string
	env  Env
	keys layout

	// content is shared by operations on single keys and exclusive for what
	// concerns them all. Taken before a key's lock, and that before mu.
	content sync.RWMutex
	dropped bool
	byKey   *keyLocks

	// mu is held while a record gets its number and goes into the engine's log, and
	// while records are applied, so that the order of batches is the order of
	// numbers. It is never held for a sync.
	mu      diskLock
	meta    meta
	seq     atomic.Uint64        // meta.seq, for those who must not wait for the disk
	tail    []Record             // committed+1 … seq
	pending map[string]tentative // what the tail does to keys, while this replica leads
	emptied uint64               // the last Truncate that this replica numbered
	area    area                 // that has the documents. Written with content and mu held, read with either
	copy    incoming             // the copy that is brought here, or the last one that was
	aside   bool                 // the other area is not empty
	lead    *leadership          // nil: another replica leads, or none
	pins    map[*Pin]struct{}
	broken  error // a commit failed: the numbers of this object and of the disk may differ

	certified Position // the shard's at the cut that this replica was restored from; zero if from none
}

// leadership is what a leader writes under.
type leadership struct {
	tenure Tenure
	quorum Quorum
	alone  bool   // no other replica has to have a record before it is applied
	begun  uint64 // last record of the log when it began
}

// tentative is the outcome of a record of the tail for a key.
type tentative struct {
	seq      uint64
	document *document // nil: removed
}

// Names lists the shards that an engine holds.
func Names(e *engine.Engine) ([]string, error) {
	it, err := e.NewIter([]byte{shardPrefix}, []byte{shardPrefix + 1})
	if err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	var names []string
	for ok := it.First(); ok; {
		name, err := nameOf(it.Key())
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		names = append(names, name)
		_, end := layoutOf(name).everything()
		ok = it.SeekGE(end)
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	return names, nil
}

// Create makes an empty shard, durably. One that is there already is opened as it is.
func Create(env Env, name string) (*Shard, error) {
	s, err := Open(env, name)
	if errors.Is(err, ErrNoShard) {
		s = newShard(env, name, newMeta())
		return s, s.storeMeta(s.meta, true)
	}
	return s, err
}

// Open opens a shard that the engine holds; ErrNoShard if it does not.
func Open(env Env, name string) (*Shard, error) {
	value, found, err := env.Engine.Get(layoutOf(name).meta())
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", name, err)
	}
	if !found {
		return nil, fmt.Errorf("open shard %s: %w", name, ErrNoShard)
	}
	m, err := decodeMeta(value)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", name, err)
	}
	s := newShard(env, name, m)
	if s.tail, err = s.readLog(m.committed+1, math.MaxInt); err == nil && uint64(len(s.tail)) != m.seq-m.committed {
		err = fmt.Errorf("%w: %d records are to be applied, %d are there", errRecord, m.seq-m.committed, len(s.tail))
	}
	if err == nil {
		s.certified, err = s.readCertified()
	}
	if err == nil {
		s.aside, err = s.hasAside()
	}
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", name, err)
	}
	return s, nil
}

func newShard(env Env, name string, m meta) *Shard {
	if env.Retention == (Retention{}) {
		env.Retention = DefaultRetention
	}
	s := &Shard{
		name: name, env: env, keys: layoutOf(name), byKey: newKeyLocks(), meta: m, area: m.documents,
		pending: map[string]tentative{}, pins: map[*Pin]struct{}{},
	}
	s.seq.Store(m.seq)
	return s
}

// Name is the shard's name.
func (s *Shard) Name() string { return s.name }

// State is where a replica stands.
type State struct {
	Promised  Tenure   // the latest one heard of
	Last      Position // where the log ends
	Committed uint64   // number of the last record applied
	Count     uint64   // documents
	Revision  string   // highest given and applied, "" if none
	Copying   bool     // an unfinished copy of an earlier version, which copied in place: the log is empty
}

// State is where this replica stands now.
func (s *Shard) State() State { return stateOf(s.snapshot()) }

// Seq is the number of the last record, committed or not. Every write asks for it. It
// does not wait for a record that is on its way into the log.
func (s *Shard) Seq() uint64 { return s.seq.Load() }

func stateOf(m meta) State {
	st := State{Promised: m.promised, Last: m.position(), Committed: m.committed, Count: m.count, Copying: m.copying}
	if m.revision != 0 {
		st.Revision = revision(m.revision)
	}
	return st
}

func (s *Shard) snapshot() meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta
}

// storeMeta is for callers that hold mu, or the only reference.
func (s *Shard) storeMeta(m meta, sync bool) error {
	b := s.env.Engine.NewBatch()
	return s.store(b, m, sync)
}

// store commits a batch together with the meta that goes with it.
func (s *Shard) store(b *engine.Batch, m meta, sync bool) error {
	if s.broken != nil {
		return errors.Join(s.broken, b.Close())
	}
	if err := b.Set(s.keys.meta(), m.encode()); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(sync); err != nil {
		if !errors.Is(err, engine.ErrRefused) {
			s.broken = err
		}
		return err
	}
	s.meta = m
	s.seq.Store(m.seq)
	return nil
}

// Broken says that a commit was given up or failed, so that this object may not be what
// is on disk. It takes no writes; open the shard again when the disk has settled.
func (s *Shard) Broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil
}

// Drop removes the shard and all that is in it, durably. Operations under way
// finish first, later ones answer apierror.ShardGone. Dropping twice is harmless.
func (s *Shard) Drop() error {
	s.content.Lock()
	defer s.content.Unlock()
	s.dropped = true
	return Remove(s.env.Engine, s.name)
}

// Remove removes from the engine a shard that is not open.
func Remove(e *engine.Engine, name string) error {
	b := e.NewBatch()
	if err := b.DeleteRange(layoutOf(name).everything()); err != nil {
		return fmt.Errorf("drop shard %s: %w", name, errors.Join(err, b.Close()))
	}
	if err := b.Commit(true); err != nil {
		return fmt.Errorf("drop shard %s: %w", name, err)
	}
	return nil
}

// enter begins an operation on single keys; leave with content.RUnlock.
func (s *Shard) enter() error {
	s.content.RLock()
	if s.dropped {
		s.content.RUnlock()
		return s.gone()
	}
	return nil
}

func (s *Shard) gone() error {
	return apierror.New(apierror.ShardGone, "shard %s has been dropped", s.name)
}
