package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
	"stasis/lab/world"
)

// A DB server whose disk hangs during a phase of a create: the create fails within
// seconds and names it, Plan thaws, and a leader that clients reach and the agency does
// not is replaced meanwhile: nothing waits for the disk.
func TestCreateDoesNotWaitForAHungDisk(t *testing.T) {
	for _, at := range []event.Name{event.Prepare, event.Thawed} {
		t.Run(string(at), func(t *testing.T) {
			inBubbleOf(t, world.Config{Agents: 3, DBServers: 4, Coordinators: 2}, 1, func(b *bubble) {
				var disk world.Met // tables and links hang; the log of the engine does not
				begun := make(chan time.Time, 1)
				b.on(fault.Moment{Step: at, Operation: keys.OperationCreate}, func() {
					disk = b.met(b.disk("dbserver-2").Hang(fault.Calls{
						Kinds: fault.Sync | fault.Link | fault.Rename | fault.Remove, Path: func(path string) bool { return !isLog(path) },
					}))
					begun <- time.Now()
				})
				ctx := b.t.Context()
				require.NoError(b.t, createReplicated(ctx, b.clients[0], "c", 8, 3, 1))
				b.mustPut("a", 20) // three replicas: of every shard one is neither on the hung disk nor cut off
				answer := make(chan error, 1)
				go func() {
					answer <- b.clients[0].Backup(ctx, "create", map[string]any{"label": "x", "timeout": 10}, &backup.CreateResult{})
				}()
				since := <-begun
				_, dbservers, _ := b.Cluster().Nodes()
				deaf := dbservers[3].ID // the agency does not hear it, the coordinator does
				b.cut("dbserver-4", b.agents(), true, true)
				b.await(45*time.Second, func() error {
					if led := leads(b.t, b.agency, deaf); len(led) > 0 {
						return fmt.Errorf("%s still leads %v", deaf, led)
					}
					return nil
				})
				b.t.Logf("failed over %v after the disk hung", time.Since(since))
				err := <-answer
				b.t.Logf("%v after %v", err, time.Since(since))
				if at == event.Prepare {
					// The timeout ends it in the same moment; and the server that is cut off refuses to
					// prepare for a lock that it has not heard of.
					require.Regexp(b.t, dbservers[1].ID+"|"+deaf, err.Error())
				} else {
					require.ErrorContains(b.t, err, dbservers[1].ID)
					require.ErrorContains(b.t, err, "makes no progress")
				}
				require.Less(b.t, time.Since(since), 30*time.Second)
				require.NotZero(b.t, disk.Met())
				require.False(b.t, tree(b.t, b.agency, keys.HotBackup).At("Create").Exists())
				disk.End()
				b.heal()
				b.mustCount(20)
				require.NoError(b.t, b.clients[1].Backup(ctx, "create", map[string]any{"label": "next"}, &backup.CreateResult{}))
			})
		})
	}
}
