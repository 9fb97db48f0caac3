// Package catalog knows which databases and collections exist, and creates, changes and
// drops them. A [Snapshot] is the catalog at one index of the agency. Look-ups are answered
// from the coordinator's watch cache. Before the package answers that a name does not exist,
// it asks the agency.
//
// Data definition is a change of Plan. It is built from a linearizable snapshot and written
// with the precondition that Plan's version and the restore epoch are still those of the
// snapshot. So the agency orders two coordinators that create the same name: the transaction
// of the second fails, is built again, and finds the name taken. While a backup or restore
// freezes Plan, nothing can be changed. A change waits for the thaw, for a bounded time; then
// its error names the holder of the lock.
//
// Creating takes two changes. The first writes the entry with isBuilding and this
// coordinator's id and reboot id: clients do not see the entry yet, but its name is taken.
// When every DB server has reported, the second removes the mark.
//
//	it dies or fails               what follows
//	before the first change        nothing was done
//	between the two                a cleanup in the background deletes the entry if it is still marked;
//	                               if the coordinator died, the supervision deletes it
//	after the second               the entry exists
//
// Ids and generated document keys come from ranges that are reserved in the agency. A range
// belongs to the restore epoch in which it was reserved, and is dropped with it.
//
// All methods may be called from any goroutine.
package catalog
