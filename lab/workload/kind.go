package workload

import (
	"context"

	"stasis/client"
	"stasis/lab/history"
)

// kind is what differs between workloads.
type kind interface {
	// knows are the fields of a Spec that the workload knows, with their defaults.
	knows() Spec
	// open writes what is there from the beginning.
	open(ctx context.Context, s *session) error
	// live is one life of a client: it works until ctx ends, or returns errUnknown.
	live(ctx context.Context, s *session) error
	// read reads the state.
	read(ctx context.Context, c *client.Client, collection string) (State, error)
	// judge judges a state by the operations since base.
	judge(g generation, found State, cut Cut) (Findings, error)
	// translate gives the operations in a model of elle-cli; model is "" if there is none.
	translate() (model string, as history.Translate)
}
