package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
)

func (b *bubble) backup(command string, request, result any) error {
	return b.clients[0].Backup(b.t.Context(), command, request, result)
}

func (b *bubble) list() backup.ListResult {
	b.t.Helper()
	var list backup.ListResult
	require.NoError(b.t, b.backup("list", nil, &list))
	return list
}

// A DB server stands still from the commit of a restore on. The others have their part of
// the new failsafe, and keep the older one until the server is back and has its own part:
// whenever all servers can be asked there is a whole failsafe.
func TestFailsafeWhileAServerStandsStill(t *testing.T) {
	inBubble(t, 21, func(b *bubble) {
		b.create1("c", 3, 1)
		require.NoError(b.t, b.leading(b.t).write(b.t.Context(), "k", `{"value":"old"}`))
		var made backup.CreateResult
		require.NoError(b.t, b.backup("create", map[string]any{"label": "x"}, &made))
		var first, second backup.RestoreResult
		require.NoError(b.t, b.backup("restore", map[string]any{"id": made.ID}, &first))
		b.heal()
		require.True(b.t, b.list().List[first.Previous].Available)

		b.on(fault.Moment{Step: event.PlanSwitched}, func() { b.net.Freeze("dbserver-3") })
		_ = b.backup("restore", map[string]any{"id": made.ID}, &second) // complete or not when it answers
		time.Sleep(10 * time.Minute)
		list := b.list()
		require.Len(b.t, list.Unreachable, 1)
		require.Equal(b.t, 2, list.List[first.Previous].NrPiecesPresent, "the older one stays")
		second.Previous = b.newest(list, first.Previous)
		require.Equal(b.t, 2, list.List[second.Previous].NrPiecesPresent)
		require.False(b.t, list.List[second.Previous].Available)
		require.Equal(b.t, list.Unreachable, list.List[second.Previous].Missing)

		b.net.Thaw("dbserver-3")
		b.await(10*time.Minute, func() error {
			list := b.list()
			old, there := list.List[first.Previous]
			if len(list.Unreachable) == 0 {
				require.True(b.t, old.Available || list.List[second.Previous].Available, "%+v", list.List)
			}
			if there || !list.List[second.Previous].Available {
				return fmt.Errorf("the older failsafe is listed: %v; the newer: %+v", there, list.List[second.Previous])
			}
			return nil
		})
		b.heal()
		for _, name := range b.servers() {
			names, err := b.fs(name).List(name + "/backups")
			require.NoError(b.t, err)
			require.ElementsMatch(b.t, []string{made.ID, second.Previous}, names, name)
		}
	})
}

// newest is the failsafe that is not the older one.
func (b *bubble) newest(list backup.ListResult, older string) string {
	b.t.Helper()
	for id, e := range list.List {
		if e.Kind == "failsafe" && id != older {
			return id
		}
	}
	require.Fail(b.t, "there is no newer failsafe", "%+v", list.List)
	return ""
}
