// Package reader opens a backup without touching the cluster it was taken of.
//
// The pieces of the backup, read-only, with what has to be written in memory, become a small cluster of their own:
// one agent, one coordinator and as many DB servers as there are pieces, on a network in memory. The product's own restore
// puts the backup in place there, and an ordinary client reads it:
//
//	r, err := reader.Open(ctx, id, pieces)
//	if err != nil { … } // *Refusal: the pieces are not one whole backup
//	defer r.Close()
//	contents, err := reader.ReadAll(ctx, r.Client(), nil)
//	replicas, err := r.Replicas(ctx)
//
// It works in a bubble of testing/synctest, if it is opened and closed there, and outside. Nothing is written to the file
// systems of the pieces, nothing is left behind, and it does not matter whether the cluster that owns them runs.
//
// # What it needs
//
// Tables are not copied: they are read where they are. In memory are the ends of the engines' logs, which the restore replays,
// the engines' caches, and what a client writes.
package reader
