package integration

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/minicluster"
)

// hungDisk is one server's disk on which, from some moment on, tables and links hang:
// what is asked of it does not come back until the disk is released.
type hungDisk struct {
	server  string
	hangs   atomic.Bool
	met     atomic.Int64
	release chan struct{}
}

func (d *hungDisk) wrap(name string, disk vfs.FS) vfs.FS {
	if name != d.server {
		return disk
	}
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpLink, errorfs.OpRename, errorfs.OpRemoveAll:
			if d.hangs.Load() && !isLogName(op.Path) {
				d.met.Add(1)
				<-d.release
			}
		}
		return nil
	}))
}

func isLogName(path string) bool { return len(path) > 4 && path[len(path)-4:] == ".log" }

// A DB server whose disk hangs during a phase of a create: the create fails within
// seconds and names it, Plan thaws, and a leader that clients reach and the agency does
// not is replaced meanwhile: nobody waits for the disk.
func TestCreateDoesNotWaitForAHungDisk(t *testing.T) {
	for _, at := range []event.Name{event.Prepare, event.Thawed} {
		t.Run(string(at), func(t *testing.T) {
			disk := &hungDisk{server: "dbserver-2"}
			var begun chan time.Time
			sink := func(_ context.Context, e event.Event) {
				if e.Step == at && e.Operation == keys.OperationCreate && !disk.hangs.Swap(true) {
					begun <- time.Now()
				}
			}
			o := minicluster.Options{Agents: 3, DBServers: 4, Coordinators: 2, Seams: minicluster.Seams{Steps: sink}}
			inBubbleOf(t, o, 1, disk.wrap, func(b *bubble) {
				disk.release, begun = make(chan struct{}), make(chan time.Time, 1) // the bubble's own
				released := false
				defer func() {
					if !released {
						close(disk.release)
					}
				}()
				ctx := b.t.Context()
				require.NoError(b.t, createReplicated(ctx, b.clients[0], "c", 8, 3, 1))
				b.mustPut("a", 20) // three replicas: of every shard one is neither on the hung disk nor cut off
				answer := make(chan error, 1)
				go func() {
					answer <- b.clients[0].Backup(ctx, "create", map[string]any{"label": "x", "timeout": 10}, &backup.CreateResult{})
				}()
				since := <-begun
				_, dbservers, _ := b.Nodes()
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
				require.NotZero(b.t, disk.met.Load())
				require.False(b.t, tree(b.t, b.agency, keys.HotBackup).At("Create").Exists())
				released = true
				close(disk.release)
				disk.hangs.Store(false)
				b.heal()
				b.mustCount(20)
				require.NoError(b.t, b.clients[1].Backup(ctx, "create", map[string]any{"label": "next"}, &backup.CreateResult{}))
			})
		})
	}
}
