// Package workload has the clients of the fault lab: what they write, and what must hold of any one instant.
//
// The package is experimental: names may change until the fault lab is finished.
//
// A workload is clients that work on a collection of their own and record what they do. From the documents that
// are found later, in a backup or in the running cluster, it decides whether they are the state of one instant:
//
//	h := history.New()
//	w, err := workload.New(workload.Spec{Name: "bank", Clients: 4}, h)
//	err = w.Setup(ctx, clients)
//	… go w.Run(ctx, clients, 10*time.Second)
//	cut := workload.Cut{Asked: h.Now()}
//	… // take a backup
//	cut.Returned = h.Now()
//	… // open the backup, or stop the clients and restore it
//	found, err := w.CheckCut(ctx, c, cut)
//	if len(found.Problems) > 0 { … } // it is not the state of one instant
//
// # How it is decided
//
// Every write can be told from every other, and every document says which write made it: its id, and the number
// of the version. The order of the writes of a document is the order of its versions. A write took effect after it had begun, and
// before it was acknowledged or its effect was seen by a read. So a version that the state has puts the instant
// after some moment, and a version that the state lacks puts it before some moment. The state is that of one
// instant if and only if there is a moment left: then all that was acknowledged before is in it, nothing that began
// after it is, and whatever a client had seen before it wrote is there if what it wrote is.
//
// Moments are compared by their order, not by their time: ties of virtual time are no violation. An operation whose
// outcome is unknown may have taken effect at any time after it began, or never.
//
// Some workloads are judged in further ways, which do not need the versions. The halves of a document are compared. Elements of
// lists are looked for that are there twice, were refused, or stand in different orders. A count lies between what was
// acknowledged and what had begun. Registers have no versions: Porcupine finds an order of the operations that explains what was
// seen, and the instant is one at which each register can have had what the state has. Collections that clients create and drop
// are there from the one to the other.
//
// What is not found within bounds is [ErrUndecided], which is an error and no pass. What was found to be wrong before that
// counts.
//
// # Transactions
//
// In most workloads each write is of one document. In transfers, together, appends and links it is a transaction of several documents
// in several collections. The history has a transaction as one operation: with its plan when it begins, and with all that it has
// seen and would write before its commit is sent. It may have taken effect from then on, and if that is not recorded it has none.
// Each of its documents is judged by its versions, as above. Beside that it is in a state whole or not at all, and it comes to be
// at one moment for all who look: what is known of that by one document holds of all.
//
// A commit without an answer is asked for again. What is not known then is unknown.
//
// In appends package anomaly looks for the anomalies that the isolation level forbids. Those that it allows are notes. A state is one
// more transaction for it, which reads everything at one instant.
//
// # Clients
//
// A client does one operation after the other and pauses between them. It does what was refused again, at another
// coordinator. After an outcome that is unknown it goes on under a new process number. A call takes as long as it
// takes, but at most patience.
package workload
