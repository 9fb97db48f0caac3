package world

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/fault/control"
)

// A process that could not be given all that stands is owed it until it has it.
func TestWhatWasNotGivenIsOwed(t *testing.T) {
	net := fault.NewNetwork()
	defer func() { require.NoError(t, net.Close()) }()
	faults := control.NewFaults(control.Parts{
		Names: func() []string { return []string{"dbserver-1"} }, Network: net, Disk: func(string) *fault.Disk { return fault.NewDisk() },
	})
	lost, closing, err := control.Local(t.Context(), faults)
	require.NoError(t, err)
	closing()
	all := newOrders(nil, nil)
	require.Error(t, all.give(t.Context(), "dbserver-1", lost))
	require.True(t, all.isOwed("dbserver-1"))
	c, closing, err := control.Local(t.Context(), faults)
	require.NoError(t, err)
	defer closing()
	require.NoError(t, all.give(t.Context(), "dbserver-1", c))
	require.False(t, all.isOwed("dbserver-1"))
}
