package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Server serves a socket until Close.
type Server struct {
	socket  *socket
	end     context.CancelFunc
	serving sync.WaitGroup
}

// Serve serves the socket at path, which it makes. Orders end with ctx, or with Close. Of two processes that serve one path the
// second is refused, also if they start at once, or if the first one is stopped. A process whose data directory has a lock calls it
// when it has that lock: before, another one may be the server.
func Serve(ctx context.Context, path string, h Handler) (*Server, error) {
	l, err := listen(ctx, path)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	s := &Server{socket: l, end: end}
	s.serving.Go(func() { s.accept(ctx, h) })
	return s, nil
}

// acceptAgain is the pause after a connection that could not be accepted: a process without a free file has none for a while.
const acceptAgain = 100 * time.Millisecond

func (s *Server) accept(ctx context.Context, h Handler) {
	for {
		conn, err := s.socket.Accept()
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
func (s *Server) Path() string { return s.socket.path }

// Close removes the socket, ends all connections, and waits for what they do. Another process can serve the path then.
func (s *Server) Close() error {
	err := errors.Join(s.socket.remove(), s.socket.Close())
	s.end()
	s.serving.Wait()
	if err = errors.Join(err, s.socket.lock.Close()); err != nil {
		return fmt.Errorf("close control socket %s: %w", s.socket.path, err)
	}
	return nil
}
