package workload

import (
	"stasis/lab/history"
)

// generation is what happened since the cluster came into a state: that of the beginning, or of a backup.
type generation struct {
	ops  []history.Op // of the clients; those whose outcome is unknown also from earlier generations
	base State
	at   history.Moment // when it began
	end  history.Moment // when the next restore began; an Order of 0: there is none
	spec Spec
	// whole says that the history as such is judged too, and not the state alone.
	whole bool
}
