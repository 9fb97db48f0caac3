package repository

import (
	"context"
	"errors"
	"slices"
	"sort"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/backupname"
)

// List says which backups are at the remote, whole or in part. With an id it lists only
// that one, if it is there.
func (r *Repository) List(ctx context.Context, only string) ([]dbclient.RemoteBackup, error) {
	if only != "" {
		if err := backupname.CheckID(only); err != nil {
			return nil, err
		}
	}
	x, err := r.index(ctx, only)
	if err == nil && only != "" {
		x.damaged, err = r.Marks(ctx)
	}
	if err != nil {
		return nil, err
	}
	found := []dbclient.RemoteBackup{}
	for _, id := range x.ids() {
		b, err := r.describe(ctx, x, id)
		if err != nil {
			return nil, err
		}
		found = append(found, b)
	}
	return found, nil
}

// describe is one backup. A backup whose manifest cannot be understood is listed as
// incomplete; Verify names what is wrong.
func (r *Repository) describe(ctx context.Context, x *index, id string) (dbclient.RemoteBackup, error) {
	servers := slices.Sorted(slices.Values(x.pieces[id]))
	b := dbclient.RemoteBackup{ID: id, Servers: servers}
	if !x.backups[id] {
		return b, nil
	}
	m, err := r.readBackup(ctx, id)
	if errors.Is(err, ErrDamaged) || errors.Is(err, storage.ErrNotFound) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	for server, mark := range m.Pieces {
		if !slices.Contains(servers, server) {
			b.Missing = append(b.Missing, server)
		}
		b.SizeInBytes += mark.Bytes
		b.NrFiles += mark.NrFiles
	}
	sort.Strings(b.Missing)
	b.DateTime, b.Version, b.PotentiallyInconsistent = m.DateTime, m.Version, m.PotentiallyInconsistent
	b.Complete = len(b.Missing) == 0
	b.Damaged, err = r.damagedFiles(ctx, x, id)
	return b, err
}

// damagedFiles counts the files of a backup whose blobs are marked.
func (r *Repository) damagedFiles(ctx context.Context, x *index, id string) (n int, err error) {
	if len(x.damaged) == 0 {
		return 0, nil
	}
	for _, server := range x.pieces[id] {
		p, _, err := r.readPiece(ctx, id, server, "")
		switch {
		case errors.Is(err, ErrDamaged), errors.Is(err, storage.ErrNotFound):
			continue // the files of this piece are not known
		case err != nil:
			return n, err
		}
		for _, f := range p.Files {
			if x.damaged[f.SHA256] {
				n++
			}
		}
	}
	return n, nil
}
