package coordinator

import (
	"context"
	"errors"
)

// Server is a running coordinator.
type Server struct {
	id   string
	addr string
	errs chan error
}

// Start registers a coordinator with the agency and serves. It returns when
// requests are answered; ctx bounds the start only.
func Start(ctx context.Context, c Config) (*Server, error) {
	return nil, errors.New("coordinator: being built")
}

// ID is the server id, CRDN-<uuid>.
func (s *Server) ID() string { return s.id }

// Addr is the host:port that the server listens on.
func (s *Server) Addr() string { return s.addr }

// URL is http:// and Addr.
func (s *Server) URL() string { return "http://" + s.addr }

// Err delivers the error that stopped the server, if anything but Close does.
func (s *Server) Err() <-chan error { return s.errs }

// Close answers no more new requests, finishes those in flight, at most as long
// as ctx and Timing.Shutdown allow, and waits for every goroutine.
func (s *Server) Close(ctx context.Context) error { return nil }
