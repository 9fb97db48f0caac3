package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Server serves a socket until Close.
type Server struct {
	path     string
	listener net.Listener
	end      context.CancelFunc
	serving  sync.WaitGroup
}

// Serve serves the socket at path, which it makes. Orders end with ctx, or with Close.
func Serve(ctx context.Context, path string, h Handler) (*Server, error) {
	l, err := listen(ctx, path)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	s := &Server{path: path, listener: l, end: end}
	s.serving.Go(func() { s.accept(ctx, h) })
	return s, nil
}

// acceptAgain is the pause after a connection that could not be accepted: a process without a free file has none for a while.
const acceptAgain = 100 * time.Millisecond

func (s *Server) accept(ctx context.Context, h Handler) {
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			s.serving.Go(func() { serveConn(ctx, conn, h) })
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		pause := time.NewTimer(acceptAgain)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// Path is where the socket is.
func (s *Server) Path() string { return s.path }

// Close removes the socket, ends all connections, and waits for what they do.
func (s *Server) Close() error {
	err := os.Remove(s.path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil // its directory is gone
	}
	err = errors.Join(err, s.listener.Close())
	s.end()
	s.serving.Wait()
	if err != nil {
		return fmt.Errorf("close control socket %s: %w", s.path, err)
	}
	return nil
}
