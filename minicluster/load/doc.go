// Package load puts a cluster under load that can be checked afterwards, and checks it.
//
// The package is experimental: names may change until the fault lab is finished.
//
// Writers are ordinary HTTP clients. Each does one write after the other, and every write can be told from every
// other. When a write began and when it was acknowledged is recorded on one clock. From the documents that are
// found later, Check decides whether they are the state of one single instant:
//
//	history := load.NewHistory()
//	… go load.Run(ctx, history, 30*time.Second, load.Inserts("a", db, "orders"), load.Updates("b", db, "stock"))
//	asked := history.Now()
//	… // take a backup
//	returned := history.Now()
//	… // stop the writers, restore the backup
//	state, err := load.Read(ctx, db, "orders", "stock")
//	verdict, err := load.Check(history.Chains(), state, asked, returned) // an error: it is no single instant
//
// Module example in this repository has a test to copy. The demo, the consistency tests and the benchmarks use the same
// writers and the same check, so that what the demo shows is what the tests demand.
package load
