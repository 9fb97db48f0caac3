package repository

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"stasis/dbserver/transfer/storage"
)

// index is what a list of the whole remote shows.
type index struct {
	blobs   map[string]storage.Object // by name, with whatever else lies below blobs
	pieces  map[string][]string       // backup → servers whose manifests are there
	backups map[string]bool           // whose manifest is there
	damaged map[string]bool           // hashes of blobs that are marked
}

// index lists the remote, or one of its folders.
func (r *Repository) index(ctx context.Context, folder string) (*index, error) {
	all, err := r.remote.List(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("list the remote: %w", err)
	}
	x := &index{blobs: map[string]storage.Object{}, pieces: map[string][]string{}, backups: map[string]bool{}, damaged: map[string]bool{}}
	for _, o := range all {
		id, server, ok := manifestOf(o.Name)
		sum, marked := markOf(o.Name)
		switch {
		case marked:
			x.damaged[sum] = true
		case ok && server == "":
			x.backups[id] = true
		case ok:
			x.pieces[id] = append(x.pieces[id], server)
		case strings.HasPrefix(o.Name, folderBlobs+"/"):
			x.blobs[o.Name] = o
		}
	}
	return x, nil
}

// ids are the backups that are there, whole or in part, in order.
func (x *index) ids() []string {
	all := slices.Collect(maps.Keys(x.backups))
	for id := range x.pieces {
		if !x.backups[id] {
			all = append(all, id)
		}
	}
	sort.Strings(all)
	return all
}
