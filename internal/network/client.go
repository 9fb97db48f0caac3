package network

import (
	"context"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout  = 5 * time.Second
	idlePerHost  = 128
	idleTimeout  = 90 * time.Second
	bufferBytes  = 64 << 10
	continueWait = time.Second
)

// NewHTTPClient makes a client whose every connection goes through n, and every request through its faults of
// [Messages]: HTTP/1.1 with keep-alive and no proxies. Connecting takes at most five seconds;
// everything else is bounded by the request's context only. The caller
// calls CloseIdleConnections when it is done with the client.
func NewHTTPClient(n Network) *http.Client {
	return &http.Client{Transport: roundTripper(n, transport(n))}
}

func transport(n Network) *http.Transport {
	return &http.Transport{
		DialContext:           boundedDial(n),
		MaxIdleConnsPerHost:   idlePerHost,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: continueWait,
		ReadBufferSize:        bufferBytes,
		WriteBufferSize:       bufferBytes,
		DisableCompression:    true,
	}
}

// boundedDial ends an attempt to connect after dialTimeout. The request's context does not: the transport goes on
// connecting after the request has been given up.
func boundedDial(n Network) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return n.DialContext(ctx, network, address)
	}
}
