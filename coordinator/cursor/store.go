package cursor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// BytesEach is what a Store counts for a cursor. A cursor never takes more.
const BytesEach = 2 << 10

// Store keeps the cursors of a coordinator.
type Store struct {
	capacity int // cursors

	mu      sync.Mutex
	cursors map[string]*Cursor
	refused uint64
}

// NewStore makes a store for so many bytes of cursors, at least for one cursor.
func NewStore(bytes int64) *Store {
	return &Store{capacity: int(max(bytes/BytesEach, 1)), cursors: map[string]*Cursor{}}
}

// Add keeps a cursor and sets its id. It returns [apierror.ResourceLimit] if the store is full.
func (s *Store) Add(c *Cursor) error {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // does not fail, by its documentation
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cursors) >= s.capacity && !failpoint.Off("cursors-are-bounded") {
		s.refused++
		return apierror.New(apierror.ResourceLimit, "no room for another cursor: %d are open, which use all %d bytes that this coordinator keeps for them; "+
			"read to the end or delete those that are not needed, and try again", len(s.cursors), s.capacity*BytesEach).WithStatus(503)
	}
	c.ID = strconv.FormatUint(binary.BigEndian.Uint64(raw[:])>>1, 10)
	c.expires = time.Now().Add(c.ttl)
	s.cursors[c.ID] = c
	return nil
}

// Use returns the cursor with this id in the database. It does not expire until done is called;
// then its time begins again.
func (s *Store) Use(db, id string) (c *Cursor, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.find(db, id); c == nil {
		return nil, nil, notFound(id)
	}
	c.users++
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.users--
		c.expires = time.Now().Add(c.ttl)
	}, nil
}

// find returns a cursor of the database, nil if it does not exist or has expired.
func (s *Store) find(db, id string) *Cursor {
	c := s.cursors[id]
	if c == nil || c.source.Database != db || c.expired(time.Now()) {
		return nil
	}
	return c
}

func (c *Cursor) expired(now time.Time) bool { return c.users == 0 && now.After(c.expires) }

// Remove forgets a cursor.
func (s *Store) Remove(db, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(db, id) == nil {
		return notFound(id)
	}
	delete(s.cursors, id)
	return nil
}

func notFound(id string) error {
	return apierror.New(apierror.CursorNotFound, "cursor not found: %.40s", id)
}

// sweepEvery is how long a cursor may stay in the store after it has expired.
const sweepEvery = time.Second

// Run removes expired cursors until ctx ends.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.sweep(now)
		}
	}
}

func (s *Store) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.cursors {
		if c.expired(now) {
			delete(s.cursors, id)
		}
	}
}

// Usage is what the cursors of a Store take up.
type Usage struct {
	Open     int    `json:"open"`
	Bytes    int    `json:"bytes"`
	MaxBytes int    `json:"maxBytes"`
	Refused  uint64 `json:"refused"` // since the start
}

// Usage returns how full the store is.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Open: len(s.cursors), Bytes: len(s.cursors) * BytesEach, MaxBytes: s.capacity * BytesEach, Refused: s.refused}
}
