package hosting

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/engine"
	"stasis/dbserver/pieces"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
	"stasis/dbserver/store"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wall"
)

// Config says which server hosts the data, and with what.
type Config struct {
	ID     string
	FS     vfs.FS
	Engine engine.Options
	Dir    string // of the live engine
	Staged Restores
	Pieces *pieces.Manager
	Access *store.Access
	Home   replica.Home   // the server as its replicas see it, but for the epoch
	Epoch  *atomic.Uint64 // of the open data; set here, read by others
	Steps  event.Sink
	Logger hclog.Logger
	Wall   wall.Clock // revisions come from it
}

// Host has the open data of a server. Its methods belong to one goroutine at a time: to the
// start of the server, then to the reconciler, then to the stop.
type Host struct {
	config Config
	opener opener
	clock  *shard.Clock // outlives the engines, so that revisions go on across a restore
	open   *store.Store // nil while no engine is open
	ready  bool         // open may be served
}

// New makes a Host without data.
func New(c Config) *Host {
	return &Host{config: c, clock: &shard.Clock{Wall: c.Wall}, opener: opener{id: c.ID, fs: c.FS, engine: c.Engine, dir: c.Dir, staged: c.Staged, log: c.Logger}}
}

// Store is the open data, nil while there is none.
func (h *Host) Store() *store.Store { return h.open }

// Ready says whether the open data has been served.
func (h *Host) Ready() bool { return h.ready }

// Load finishes a swap that an earlier process left, and opens the engine of the cluster's
// epoch, as root has it. No engine is open before.
func (h *Host) Load(ctx context.Context, root *agencyclient.Node) error {
	record, err := pieces.RecordIn(root, h.config.ID)
	if err != nil {
		return err
	}
	swapped, err := h.config.Pieces.SwapIn(ctx, record)
	if err != nil {
		return err
	}
	e, err := h.opener.open(ctx, root, record)
	if err != nil {
		return err
	}
	if h.open, err = store.Open(e, h.clock, h.config.Home); err != nil {
		return errors.Join(err, e.Close())
	}
	// To follow the Plan of an agency that does not know this server would be to drop its shards.
	if n := len(h.open.Names()); n > 0 && !root.At(keys.ServerKnown(h.config.ID)).Exists() {
		return fmt.Errorf("there are %d shards here, but the agency does not know %s: it has lost its data, or is another cluster's; start the server with the agency that it belongs to", n, h.config.ID)
	}
	h.config.Epoch.Store(e.Epoch())
	if swapped {
		h.config.Logger.Info("engine swapped", "epoch", e.Epoch(), "backup", record.Restore.BackupID, "previous", record.Restore.Previous)
	}
	return nil
}

// Serve lets requests in to the open data.
func (h *Host) Serve() {
	h.ready = true
	h.config.Access.Open(h.open)
}

// Unload closes the engine. No request is inside.
func (h *Host) Unload(why error) error {
	s := h.open
	h.open, h.ready = nil, false
	if s == nil {
		return nil
	}
	return s.Close(why)
}

// Swap follows the cluster to a newer epoch: it keeps requests out, sets the old engine aside,
// puts the staged one in its place, has prepare make it what Plan wants, and lets requests of
// the new epoch in. After an error the data stays shut, and Swap is to be called again.
func (h *Host) Swap(ctx context.Context, root *agencyclient.Node, prepare func(*store.Store) error) error {
	record, err := pieces.RecordIn(root, h.config.ID)
	if err != nil {
		return err
	}
	swapping := event.Event{Operation: keys.OperationRestore, ID: record.Restore.BackupID, Server: h.config.ID}
	swapping.Step = event.EngineSwapping
	h.config.Steps.Emit(ctx, swapping)
	why := apierror.New(apierror.ServiceUnavailable, "%s is changing to the data of epoch %d", h.config.ID, record.Epoch)
	if err := h.config.Access.Shut(ctx, why); err != nil {
		return err
	}
	if err := h.Unload(why); err != nil {
		return err
	}
	if err := h.Load(ctx, root); err != nil {
		return err
	}
	if err := prepare(h.open); err != nil {
		return err
	}
	h.Serve()
	swapping.Step = event.EngineSwapped
	h.config.Steps.Emit(ctx, swapping)
	return nil
}

// Reopen opens the shards again if calls were given up while the disk hung: what the objects
// have in memory may differ from what has come onto the disk since. Nothing acknowledged is
// concerned, because a call that is given up acknowledges nothing. Leaders begin again. It is
// false, and nothing has changed, if that is not needed.
func (h *Host) Reopen(ctx context.Context) (again bool, err error) {
	s := h.open
	if s == nil || !h.ready || s.Engine().Err() != nil || !s.Broken() {
		return false, nil
	}
	why := apierror.New(apierror.ServiceUnavailable, "%s opens its shards again, since its disk hung", h.config.ID)
	if err := h.config.Access.Shut(ctx, why); err != nil {
		return false, err
	}
	if !s.Engine().Settled() {
		return false, fmt.Errorf("open the shards again: the disk still works on what it was asked before it hung")
	}
	reopened, err := store.Open(s.Engine(), h.clock, h.config.Home)
	if err != nil {
		return false, fmt.Errorf("open the shards again: %w", err)
	}
	h.open = reopened
	h.config.Access.Open(reopened)
	return true, nil
}

// Failed is closed when the engine can no longer be used. It is nil while no engine is open.
func (h *Host) Failed() <-chan struct{} {
	if h.open == nil {
		return nil
	}
	return h.open.Engine().Failed()
}
