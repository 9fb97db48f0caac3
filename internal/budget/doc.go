// Package budget bounds the bytes that the requests of one process hold in memory: their
// bodies, what bodies become when they are decoded, and answers that are put together.
//
// A Budget has three pools, and no pool borrows from another, so that requests that fill
// one pool do not starve the others:
//
//   - small: the first SmallBytes of every request of a client. A request that holds more
//     moves to the pool of large ones as a whole.
//   - large: requests of clients that hold more.
//   - peers: requests between servers, of any size: replication, heartbeats, gates.
//
// No request waits for bytes. A request that waited would keep what it already has, and two
// that wait for each other would keep it for ever. Take therefore refuses at once with
// apierror.ResourceLimit (503: the client tries again later), or with
// apierror.EntityTooLarge (413) if the pool could not give that many bytes even when empty.
//
// A server opens an Account for each request and closes it when the handler has returned
// (internal/network does); handlers find it with Of. What outlives a request has an
// account of its own ([Account.Sibling]).
package budget
