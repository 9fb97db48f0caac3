package shard

import (
	"errors"
	"fmt"
	"sync"

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

// Shard is one shard's documents and log in an engine. All methods may be used by
// many goroutines at once.
type Shard struct {
	name string
	env  Env
	keys layout

	// content is shared by operations on single keys and exclusive for what
	// concerns them all. Taken before a key's lock, and that before numbering.
	content sync.RWMutex
	dropped bool
	byKey   *keyLocks

	// numbering is held while a write gets its number and goes into the engine's
	// log, so that the order of numbers is the order of commits: what a crash
	// leaves is always all writes up to some number. It is never held for a sync.
	numbering sync.Mutex
	meta      meta
	broken    error // a commit failed: the numbers of this object and of the disk may differ
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

// Create makes an empty shard, durably. One that is there already is opened as
// it is; its term is raised if it was lower.
func Create(env Env, name string, term uint64) (*Shard, error) {
	s, err := Open(env, name)
	if errors.Is(err, ErrNoShard) {
		s = newShard(env, name, newMeta(term))
		return s, s.storeMeta(s.meta)
	}
	if err != nil {
		return nil, err
	}
	if term > s.Term() {
		return s, s.SetTerm(term)
	}
	return s, nil
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
	return newShard(env, name, m), nil
}

func newShard(env Env, name string, m meta) *Shard {
	if env.Retention == (Retention{}) {
		env.Retention = DefaultRetention
	}
	return &Shard{name: name, env: env, keys: layoutOf(name), byKey: newKeyLocks(), meta: m}
}

// Name is the shard's name.
func (s *Shard) Name() string { return s.name }

// Term is the leadership term under which writes are numbered now.
func (s *Shard) Term() uint64 { return s.snapshot().term }

// Position is the number of the last write and the term it stands in.
func (s *Shard) Position() (term, seq uint64) {
	m := s.snapshot()
	return m.term, m.seq
}

// Count is the number of documents and the highest revision given, "" if none.
func (s *Shard) Count() (count uint64, highest string) {
	m := s.snapshot()
	if m.revision == 0 {
		return m.count, ""
	}
	return m.count, revision(m.revision)
}

func (s *Shard) snapshot() meta {
	s.numbering.Lock()
	defer s.numbering.Unlock()
	return s.meta
}

// SetTerm raises the leadership term, durably. A lower one is an error.
func (s *Shard) SetTerm(term uint64) error {
	s.content.Lock()
	defer s.content.Unlock()
	m := s.snapshot()
	if term < m.term {
		return fmt.Errorf("shard %s: term %d is older than %d", s.name, term, m.term)
	}
	m.term = term
	return s.storeMeta(m)
}

// storeMeta is for callers that keep all writers out.
func (s *Shard) storeMeta(m meta) error {
	b := s.env.Engine.NewBatch()
	if err := b.Set(s.keys.meta(), m.encode()); err != nil {
		return fmt.Errorf("shard %s: %w", s.name, errors.Join(err, b.Close()))
	}
	if err := b.Commit(true); err != nil {
		return fmt.Errorf("shard %s: store term %d: %w", s.name, m.term, err)
	}
	s.numbering.Lock()
	defer s.numbering.Unlock()
	s.meta = m
	return nil
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
