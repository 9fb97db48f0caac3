package agency

import (
	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/validation"
)

// arrivals refuses calls of other agents that Raft could not bear.
type arrivals struct {
	calls    validation.Calls
	fence    *fence.Fence
	complain func(what string, err error)
}

// sift is Raft's calls from other agents without those that it could not bear.
func (a *arrivals) sift(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	return fence.Filter(from, done, func(rpc raft.RPC) bool {
		err := a.calls.Check(rpc.Command)
		if err != nil {
			a.complain("refusing what another agent sends", err)
			a.fence.Refuse(rpc, err)
		}
		return err != nil
	})
}
