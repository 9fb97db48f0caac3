// Package load puts a cluster under load that can be checked afterwards, and
// checks it. Writers are ordinary HTTP clients; each does one write after the
// other, every write can be told from every other, and when it began and was
// acknowledged is recorded on one clock. From the documents found later, Check
// decides whether they are the state of one single instant.
//
// The demo, the consistency tests and the benchmarks use the same writers and the
// same check, so that what the demo shows is what the tests demand.
package load
