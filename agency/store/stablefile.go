package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"stasis/agency/note"
)

// stableFile keeps Raft's few stable values, term and vote, in one table. It is for file systems on which Bolt cannot map
// its file. The values are known from memory; what is read has been durable before.
type stableFile struct {
	table table
	turn  chan struct{} // one token: the goroutine that writes has it. A channel, because the disk may hang meanwhile

	mu     sync.Mutex // guards values; not held while the disk is written
	values map[string][]byte
}

// openStableFile reads the values, and makes an empty table if there is none.
func openStableFile(notes note.Store, name string) (*stableFile, error) {
	s := &stableFile{table: table{notes, name}, turn: make(chan struct{}, 1), values: map[string][]byte{}}
	there, err := s.table.read(&s.values)
	if err == nil && !there {
		err = s.table.write(s.values)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Get returns a value; [raftboltdb.ErrKeyNotFound] if it was never set, as Bolt's store does.
func (s *stableFile) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[string(key)]
	if !ok {
		return nil, raftboltdb.ErrKeyNotFound
	}
	return bytes.Clone(value), nil
}

// Set writes a value. It counts when it is durable. If the write fails, the file has the old values or
// the new ones, and the next Set replaces all of them.
func (s *stableFile) Set(key, value []byte) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	next := maps.Clone(s.values) // only the holder of the turn replaces the map
	next[string(key)] = bytes.Clone(value)
	if err := s.table.write(next); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = next
	return nil
}

// SetUint64 writes a number.
func (s *stableFile) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 returns a number.
func (s *stableFile) GetUint64(key []byte) (uint64, error) {
	raw, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(raw) != 8 {
		return 0, fmt.Errorf("%s in %s is no number: it has %d bytes", key, s.table.name, len(raw))
	}
	return binary.BigEndian.Uint64(raw), nil
}

// Close does nothing: the table is written whole each time.
func (s *stableFile) Close() error { return nil }
