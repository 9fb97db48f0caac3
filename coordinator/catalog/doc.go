// Package catalog knows which databases and collections there are, and creates,
// changes and drops them. Look-ups are answered from the coordinator's own watch
// cache; that a name does not exist is confirmed with the agency before it is said.
//
// Data definition is a change of Plan, built from a linearizable view and written
// with the precondition that Plan's version and the restore epoch are still those
// of the view. So two coordinators that create the same name are ordered by the
// agency: the second one's transaction fails, is built anew, and finds the name
// taken. While Plan is frozen for a backup or restore nothing can be changed;
// a change waits for the thaw, for a bounded time, before it says who holds it.
//
// Creating takes two changes. The first plans the entry with isBuilding and this
// coordinator's id and reboot id; nobody sees the entry yet, but its name is
// taken. When every DB server has reported, the second removes the mark.
//
//	dies or fails                  what follows
//	before the first change        nothing was done
//	between the two                here: a cleanup in the background deletes the entry if it is still marked;
//	                               if the coordinator died, supervision does
//	after the second               the entry exists
//
// Ids and generated document keys come from ranges reserved in the agency. A range
// belongs to the restore epoch it was reserved in and is dropped with it.
//
// All methods may be called from any goroutine.
package catalog
