package repository

import (
	"context"
	"fmt"

	"stasis/internal/apierror"
	"stasis/internal/backupname"
)

// Delete deletes a backup at the remote and returns how many objects it removed. It
// removes the backup's manifest first, so that the backup is not listed any more, then
// its pieces', then the backup's manifest once more, because an upload of the same backup
// may have completed in between. (That upload looks for its pieces after it has written
// the manifest, and removes the manifest if they are gone.) Blobs are left to Prune.
// Delete returns [apierror.BackupConflict] while an upload of this backup runs. Other
// uploads do not matter.
func (r *Repository) Delete(ctx context.Context, id string) (int, error) {
	if err := backupname.CheckID(id); err != nil {
		return 0, err
	}
	objects, err := r.remote.List(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("list backup %s: %w", id, err)
	}
	if len(objects) == 0 {
		return 0, apierror.New(apierror.NotFound, "there is no backup %s at the remote", id)
	}
	if err := r.awaitDead(ctx, uploadPrefix(id, ""), false); err != nil {
		return 0, err
	}
	names := []string{backupName(id)}
	for _, o := range objects {
		if o.Name != backupName(id) {
			names = append(names, o.Name)
		}
	}
	for _, name := range append(names, backupName(id)) {
		if err := r.remote.Remove(ctx, name); err != nil {
			return 0, fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return len(names), nil
}
