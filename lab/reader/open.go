package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/internal/datadir"
	"stasis/internal/overlay"
)

const (
	dataDir = "/data"
	pieceAt = "/piece"
)

// Reader is a backup as a running cluster. Close ends it. It works inside a bubble of testing/synctest in
// which it was opened, and outside. All methods may be called from any goroutine.
type Reader struct {
	set     *set
	cluster *cluster
	client  *client.Client
	stop    func() error
}

// Open opens a backup from its pieces. It looks at all of them before it starts anything: a [*Refusal] says why they are not
// one whole backup. The restore that follows reads every table once, and refuses what is damaged (the same error). Open does not compare tables
// with the hashes in the manifest; `stasis backup verify` does.
//
// ctx bounds the opening only. A cluster is left running only if there is no error.
func Open(ctx context.Context, id string, pieces []Piece) (*Reader, error) {
	s, refusal := collect(ctx, id, pieces)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("open backup %s: %w", id, context.Cause(ctx))
	case refusal != nil:
		return nil, refusal
	}
	var disks []vfs.FS
	for _, server := range s.servers() {
		disk, err := dataDirectory(id, server, s.pieces[server].Piece)
		if err != nil {
			return nil, fmt.Errorf("backup %s: make the data directory of %s in memory: %w", id, server, err)
		}
		disks = append(disks, disk)
	}
	c, err := startCluster(ctx, disks)
	if err != nil {
		return nil, err
	}
	r := &Reader{set: s, cluster: c, stop: sync.OnceValue(c.stop)}
	if err := r.restore(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// dataDirectory makes a disk in memory with the data directory of the server that made a piece, as it is after the loss of
// everything: the server's identity and the published piece. The server keeps its id, so a restore gives each server its own
// piece, and what replicas and statements say of servers stays true.
func dataDirectory(id, server string, p Piece) (vfs.FS, error) {
	disk, err := overlay.New(overlay.Mount{At: pieceAt, FS: p.FS, Dir: p.Dir})
	if err != nil {
		return nil, err
	}
	dir, err := datadir.Open(disk, dataDir, datadir.DBServer, func() string { return server })
	if err != nil {
		return nil, err
	}
	backups := dir.Path("backups")
	return disk, errors.Join(dir.Close(), disk.MkdirAll(backups, 0o700), disk.Rename(pieceAt, disk.PathJoin(backups, id)))
}

// restore has the cluster restore the backup. A backup that no agency has on record is restored like one that was downloaded.
func (r *Reader) restore(ctx context.Context) (err error) {
	if r.client, err = client.New(coordinatorAddress, client.Options{HTTP: r.cluster.web}); err != nil {
		return err
	}
	_, err = r.client.Backups().Restore(ctx, client.RestoreRequest{ID: r.set.id})
	var answer *client.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.As(err, &answer):
		return refused(r.set.id, ErrRestore, "%w", err)
	}
	return fmt.Errorf("restore backup %s in memory: %w", r.set.id, err)
}

// ID is the backup's id.
func (r *Reader) ID() string { return r.set.id }

// Client talks to the backup's cluster. What it writes is in memory alone.
func (r *Reader) Client() *client.Client { return r.client }

// Certificate is the certificate that the pieces carry. That of a failsafe, which has none, is empty.
func (r *Reader) Certificate() certificate.Certificate {
	if r.set.cert == nil {
		return certificate.Certificate{}
	}
	return *r.set.cert
}

// Plan is /arango/Plan as it was dumped, with the index of the dump. Open has compared both with the certificate.
func (r *Reader) Plan() (plan json.RawMessage, index uint64) { return r.set.plan, r.set.index }

// Close ends the cluster and forgets what it wrote. Closing again is harmless.
func (r *Reader) Close() error { return r.stop() }
