package client

import (
	"container/list"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// SessionResponse names a session that a DB server has opened. The server knows it as long as it runs, or
// until it needs the memory for others.
type SessionResponse struct {
	Session string `json:"session"`
}

// Write is the name of a write: see [WriteHeader].
type Write struct {
	Session string
	Number  uint64 // counts from 1
	Oldest  uint64 // the writes before it have ended for the client: what arrives of them is too late
}

func (w Write) String() string { return fmt.Sprint(w.Session, " ", w.Number, " ", w.Oldest) }

// ParseWrite reads what String has written.
func ParseWrite(text string) (w Write, err error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return w, fmt.Errorf("header %s: want a session and two numbers", WriteHeader)
	}
	number, errNumber := strconv.ParseUint(parts[1], 10, 64)
	oldest, errOldest := strconv.ParseUint(parts[2], 10, 64)
	if err := errors.Join(errNumber, errOldest); err != nil {
		return w, fmt.Errorf("header %s: %w", WriteHeader, err)
	}
	if oldest == 0 || oldest > number {
		return w, fmt.Errorf("header %s: the oldest write that has not ended is %d, and this is %d", WriteHeader, oldest, number)
	}
	return Write{Session: parts[0], Number: number, Oldest: oldest}, nil
}

// sessions are the sessions of a client, one with each server.
type sessions struct {
	mu sync.Mutex
	of map[string]*session // by URL
}

// session numbers the writes to one process of a server.
type session struct {
	opened chan struct{} // closed when id or err is there
	id     string
	err    error

	mu   sync.Mutex
	last uint64
	open list.List // the numbers of the writes that have not ended, in order
}

// with is the session with a server; mine: the caller opens it.
func (all *sessions) with(url string) (s *session, mine bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if s = all.of[url]; s == nil {
		s, mine = &session{opened: make(chan struct{})}, true
		all.of[url] = s
	}
	return s, mine
}

func (all *sessions) forget(url string, s *session) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of[url] == s {
		delete(all.of, url)
	}
}

// begin names a write, which goes on until end is called.
func (s *session) begin() (w Write, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	place := s.open.PushBack(s.last)
	return Write{Session: s.id, Number: s.last, Oldest: s.open.Front().Value.(uint64)}, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open.Remove(place)
	}
}

type writeKey struct{}
