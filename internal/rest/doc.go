// Package rest is a router for HTTP APIs in the manner of ArangoDB: it finds the handler for
// a method and a path, gives all answers the same envelope, and reads bodies within bounds.
// Of databases it knows only how their names stand in a path.
//
// http.ServeMux is not used because clients see the difference. It redirects paths that it
// cleans; it does not tell a path that is too long (400/601) from an unknown one (404); and a
// part of a path may have an escaped slash in it.
//
// Invariants: an unknown database is answered with 404/1228 before a handler runs; every
// error leaves as an envelope; every 503 has Retry-After; no body is read beyond its limit,
// compressed or not. A handler that panics is answered with 500.
//
// A Mux may serve any number of requests at once. A Call belongs to one request and its
// goroutine.
package rest
