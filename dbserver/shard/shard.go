package shard

import (
	"errors"
	"fmt"
	"math"

	"stasis/dbserver/engine"
	"stasis/dbserver/locks"
	"stasis/internal/disklock"
	"stasis/internal/failpoint"
)

// DefaultRetention is what a shard's log keeps at most, unless told otherwise.
var DefaultRetention = Retention{Entries: 100_000, Bytes: 64 << 20}

// Env is what the shards of one server share.
type Env struct {
	Engine    *engine.Engine
	Clock     *Clock       // attached to the engine's ClockStore
	Retention Retention    // zero: DefaultRetention
	Locks     *locks.Table // nil: each shard has its own
}

// Shard is one replica of a shard in an engine. All methods may be used by many goroutines at
// once.
type Shard struct {
	name string
	env  Env

	// locks are waited for before all others, and with none of these held.
	locks *locks.Shard

	// content is shared by operations, and exclusive for what takes away what they work on. It is
	// taken before mu. Like mu it is never held for a sync, and not while a lock of a key is
	// waited for.
	content disklock.RWMutex
	dropped bool

	// mu protects r. It is held while a record gets its number and goes into the engine's
	// log, and while records are applied, so that the order of batches is the order of
	// numbers. It is never held for a sync.
	mu disklock.Mutex
	r  replica

	doubts *doubts // what readers wait for, without mu
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
		st := newStorage(env, name, newMeta())
		s = newShard(env, st, &incoming{st: st})
		return s, st.storeMeta(st.meta, true)
	}
	return s, err
}

// Open opens a shard that the engine holds; [ErrNoShard] if it does not.
func Open(env Env, name string) (*Shard, error) {
	st, err := openStorage(env, name)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", name, err)
	}
	in, err := openIncoming(st)
	if err != nil {
		return nil, fmt.Errorf("open shard %s: %w", name, err)
	}
	return newShard(env, st, in), nil
}

// openStorage reads what the engine has of a shard.
func openStorage(env Env, name string) (*storage, error) {
	value, found, err := env.Engine.Get(layoutOf(name).meta())
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNoShard
	}
	m, err := decodeMeta(value)
	if err != nil {
		return nil, err
	}
	st := newStorage(env, name, m)
	if st.tail, err = st.readLog(m.committed+1, math.MaxInt); err != nil {
		return nil, err
	}
	if uint64(len(st.tail)) != m.seq-m.committed {
		return nil, fmt.Errorf("%w: %d records are to be applied, %d are there", errRecord, m.seq-m.committed, len(st.tail))
	}
	st.certified, err = st.readCertified()
	return st, err
}

func newStorage(env Env, name string, m meta) *storage {
	st := &storage{name: name, engine: env.Engine, keys: layoutOf(name), retention: env.Retention, meta: m, area: m.documents}
	if st.retention == (Retention{}) {
		st.retention = DefaultRetention
	}
	st.seq.Store(m.seq)
	return st
}

func newShard(env Env, st *storage, in *incoming) *Shard {
	if env.Locks == nil {
		env.Locks = locks.NewTable(0)
	}
	l := env.Locks.Shard(st.name)
	d := &doubts{shard: st.name, locks: l, table: env.Locks}
	return &Shard{name: st.name, env: env, locks: l, doubts: d, r: replica{st: st, in: in, doubts: d}}
}

// Name is the shard's name.
func (s *Shard) Name() string { return s.name }

// State is where this replica stands now.
func (s *Shard) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stateOf(s.r.st.meta)
}

// Seq is the number of the last record, committed or not. It does not wait for a record that
// is on its way into the log: every write asks for it.
func (s *Shard) Seq() uint64 { return s.r.st.seq.Load() }

// Broken says that a commit was given up or failed, so that memory may differ from the disk.
// The shard takes no writes then; open it again when the disk has done what it was asked.
func (s *Shard) Broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.st.broken != nil
}

// Drop removes the shard and all that is in it, durably. Operations in flight
// finish first, later ones answer apierror.ShardGone. Dropping twice is harmless.
func (s *Shard) Drop() error {
	s.content.Lock()
	s.dropped = true
	err := remove(s.env.Engine, s.name)
	s.content.Unlock()
	if err = durable(s, err, !failpoint.Off("drop-on-disk")); err != nil {
		return fmt.Errorf("drop shard %s: %w", s.name, err)
	}
	return nil
}

// remove removes a shard from the engine, not yet durably.
func remove(e *engine.Engine, name string) error {
	b := e.NewBatch()
	if err := b.DeleteRange(layoutOf(name).everything()); err != nil {
		return errors.Join(err, b.Close())
	}
	return b.Commit(false)
}

// enter begins an operation; leave with content.RUnlock.
func (s *Shard) enter() error {
	s.content.RLock()
	if s.dropped {
		s.content.RUnlock()
		return gone(s.name)
	}
	return nil
}

// change runs f beside operations, and says where this replica stands after it.
func change(s *Shard, f func() error) (State, error) {
	if err := s.enter(); err != nil {
		return State{}, err
	}
	defer s.content.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := f()
	return stateOf(s.r.st.meta), err
}

// durable waits, if need be, until what a change has done is on disk, and gives its error. No lock
// is held meanwhile. What passes until then cannot contradict the change, since it met it in
// memory, and its batches come after the change's in the engine's log: a crash takes them first.
func durable(s *Shard, err error, need bool) error {
	if err != nil || !need {
		return err
	}
	return s.env.Engine.SyncAll()
}
