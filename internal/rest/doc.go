// Package rest is the shell of the coordinator's HTTP API: which handler a path
// and method go to, what every answer has in common, and how bodies are read
// within bounds. It knows nothing of databases but how their names stand in a
// path.
//
// Invariants: an unknown database is answered with 404/1228 before any handler
// runs; every error leaves as an envelope; every 503 carries Retry-After; no body
// is read beyond its limit, compressed or not.
//
// A Mux may serve any number of requests at once; a Call belongs to one request
// and its goroutine.
package rest
