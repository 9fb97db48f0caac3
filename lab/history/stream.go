package history

import (
	"fmt"
	"io"
	"sync"
)

// stream writes lines in the order in which they were added. Those who wait for their line to be written wait
// for a turn, and the first writes for all: a lock that is held while a disk is waited for would stop virtual time.
type stream struct {
	out     io.Writer
	turn    chan struct{}
	mu      sync.Mutex
	pending []byte
	err     error // the first one
}

func newStream(out io.Writer) *stream { return &stream{out: out, turn: make(chan struct{}, 1)} }

// add adds a line. It does not wait.
func (s *stream) add(v any) {
	if s == nil {
		return
	}
	raw, err := line(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.pending = append(s.pending, raw...)
}

// flush returns when all lines that were added before are written.
func (s *stream) flush() error {
	if s == nil {
		return nil
	}
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	raw, err := s.take()
	if err != nil || len(raw) == 0 {
		return err
	}
	if _, err = s.out.Write(raw); err != nil {
		err = fmt.Errorf("write history: %w", err)
		s.failed(err)
	}
	return err
}

func (s *stream) take() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := s.pending
	s.pending = nil
	return raw, s.err
}

func (s *stream) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
