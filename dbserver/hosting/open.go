package hosting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/pieces"
	"stasis/dbserver/shard"
)

// Restores stages an engine beside the live one and swaps it in.
type Restores interface {
	Stage(context.Context, dbclient.StageRequest) error
	FinishSwap(epoch uint64, nonce string) (swapped bool, err error)
}

// opener opens the live engine.
type opener struct {
	id     string // of the server
	fs     vfs.FS
	engine engine.Options
	dir    string // of the live engine
	staged Restores
	log    hclog.Logger
}

// open opens the live engine, or makes the first one. It has the epoch of record.
func (o opener) open(ctx context.Context, root *agencyclient.Node, record pieces.Record) (*engine.Engine, error) {
	known := root.At(keys.ServerKnown(o.id)).Exists()
	options := o.engine
	if options.MustExist = known; known {
		if _, err := o.fs.Stat(o.dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the cluster knows %s, but its engine %s is missing: bring the directory back, or remove the server from the cluster and start it with an empty directory", o.id, o.dir)
		}
	}
	e, err := engine.Open(o.dir, options)
	if err != nil {
		return nil, err
	}
	switch open := e.Epoch(); {
	case open == record.Epoch:
		return e, nil
	case open > record.Epoch:
		err = fmt.Errorf("engine has epoch %d, but the cluster's is %d: the agency is older than this data, or another cluster's; start the server with the agency that it belongs to", open, record.Epoch)
	case !known: // a new server: it has nothing that could be of an earlier epoch
		if err = e.SetEpoch(record.Epoch, ""); err == nil {
			return e, nil
		}
	default:
		return o.replaceUnstaged(ctx, e, record)
	}
	return nil, errors.Join(err, e.Close())
}

// replaceUnstaged sets aside the engine of a server that a restore passed over, and puts an
// empty one in its place. If the restore did give the server a piece, data is missing, and
// that is an error.
func (o opener) replaceUnstaged(ctx context.Context, e *engine.Engine, record pieces.Record) (*engine.Engine, error) {
	open, r := e.Epoch(), record.Restore
	shards, err := shard.Names(e)
	if _, member := r.Servers[o.id]; err == nil && !member && r.Epoch == record.Epoch && len(shards) == 0 {
		if err = e.SetEpoch(record.Epoch, ""); err == nil { // it joined meanwhile: nothing to set aside
			return e, nil
		}
	}
	if err := errors.Join(err, e.Close()); err != nil {
		return nil, err
	}
	if source, given := r.Servers[o.id]; given && source != "" || r.Epoch != record.Epoch {
		return nil, fmt.Errorf("engine has epoch %d, the cluster epoch %d, and nothing is staged for the restore of %s", open, record.Epoch, r.BackupID)
	}
	o.log.Warn("a restore gave this server nothing: going on with an empty engine", "epoch", record.Epoch, "previous", r.Previous)
	err = o.staged.Stage(ctx, dbclient.StageRequest{
		ID: r.BackupID, Empty: true, Epoch: r.Epoch, Nonce: r.Nonce, FailsafeID: r.Previous, FailsafeTime: r.Since,
		NrDBServers: len(r.Servers), FailsafeDump: []byte("{}"),
	})
	if err != nil {
		return nil, err
	}
	if _, err := o.staged.FinishSwap(r.Epoch, r.Nonce); err != nil {
		return nil, err
	}
	options := o.engine
	options.MustExist = true
	return engine.Open(o.dir, options)
}
