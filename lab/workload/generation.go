package workload

import (
	"stasis/lab/history"
)

// generation is what happened since the cluster came into a state: that of the beginning, or of a backup.
type generation struct {
	ops  []history.Op // of the clients; those whose outcome is unknown also from earlier generations
	base State
	at   history.Moment // when it began
	spec Spec
	// whole says that the history as such is judged too, and not the state alone.
	whole bool
}
