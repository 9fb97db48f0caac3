package raftnode

import (
	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/agency/validation"
)

// inbound refuses calls of other agents that Raft could not read or apply.
type inbound struct {
	calls    validation.Calls
	fence    *fence.Fence
	complain func(what string, err error)
}

// filter passes on the calls that Raft may see, until done is closed.
func (i *inbound) filter(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	return fence.Filter(from, done, func(rpc raft.RPC) bool {
		err := i.calls.Check(rpc.Command)
		if err != nil {
			i.complain("refusing what another agent sends", err)
			i.fence.Refuse(rpc, err)
		}
		return err != nil
	})
}
