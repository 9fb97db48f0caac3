package rclone

import (
	"context"
	"errors"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/walk"

	"stasis/dbserver/transfer/storage"
)

// Stat implements [storage.Remote].
func (r *remote) Stat(ctx context.Context, name string) (_ storage.Object, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.Bound(ctx)
	defer unbind()
	o, err := r.fs.NewObject(r.settings(ctx), name)
	if err != nil {
		return storage.Object{}, r.translate(err)
	}
	return storage.Object{Name: name, Size: o.Size()}, nil
}

// List implements [storage.Remote]. Only a folder that is itself missing is empty. A list that
// breaks off is an error.
func (r *remote) List(ctx context.Context, folder string) (_ []storage.Object, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.Bound(ctx)
	defer unbind()
	ctx = r.settings(ctx)
	var found []storage.Object
	take := func(entries fs.DirEntries) error {
		for _, e := range entries {
			o, ok := e.(fs.Object)
			if !ok {
				continue
			}
			found = append(found, storage.Object{Name: o.Remote(), Size: o.Size()})
			if storage.Immutable(o.Remote()) {
				r.listed.remember(o)
			}
		}
		return nil
	}
	below := []string{folder}
	if r.fs.Features().ListR == nil { // the folder itself first, so that it is known what is missing
		entries, err := r.fs.List(ctx, folder)
		if errors.Is(err, fs.ErrorDirNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, r.translate(err)
		}
		_ = take(entries) // never fails
		below = below[:0]
		entries.ForDir(func(d fs.Directory) { below = append(below, d.Remote()) })
	}
	for _, dir := range below {
		err := walk.ListR(ctx, r.fs, dir, true, -1, walk.ListObjects, take)
		if errors.Is(err, fs.ErrorDirNotFound) {
			if dir == folder && len(found) == 0 {
				return nil, nil
			}
			err = own("a folder vanished while it was listed")
		}
		if err != nil {
			return nil, r.translate(err)
		}
	}
	return found, nil
}

// Folders implements [storage.Remote].
func (r *remote) Folders(ctx context.Context, folder string) (_ []string, err error) {
	defer guard(&err)
	ctx, unbind := r.pass.Bound(ctx)
	defer unbind()
	entries, err := r.fs.List(r.settings(ctx), folder)
	if errors.Is(err, fs.ErrorDirNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.translate(err)
	}
	var found []string
	entries.ForDir(func(d fs.Directory) { found = append(found, d.Remote()) })
	return found, nil
}
