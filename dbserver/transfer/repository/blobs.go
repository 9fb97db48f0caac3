package repository

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/storage"
)

// Blobs says which blobs are at the remote.
//
// Asking for each blob costs a round trip per file. At some remotes (WebDAV behind
// rclone's pacing of 10 ms) that is the most expensive part of a transfer of many small
// files. Look therefore lists the folders in which it looks for several files, unless
// they turn out to be full of other backups' content, and asks nothing about folders that
// are not there.
type Blobs struct {
	mu      sync.Mutex
	listed  map[string]bool  // folders, and those that are not there
	sizes   map[string]int64 // of blobs in folders that were listed, or that were sent since
	crowded bool
}

// crowded is how many blobs for each wanted one make a folder crowded: then the remaining
// folders are not listed.
const crowded = 50

// Look finds out which of the blobs that files would be are at the remote. It makes up to
// atOnce calls at a time.
func (r *Repository) Look(ctx context.Context, files []piece.File, atOnce int) (*Blobs, error) {
	if len(files) == 0 {
		return newBlobs(), nil
	}
	there, err := r.remote.Folders(ctx, folderBlobs)
	if err != nil {
		return nil, fmt.Errorf("list the folders of %s: %w", folderBlobs, err)
	}
	return r.look(ctx, files, atOnce, func(folder string) bool { return slices.Contains(there, folder) })
}

// Warm lists the folders where files are. A remote may remember what it listed, and open
// a file without asking again.
func (r *Repository) Warm(ctx context.Context, files []piece.File, atOnce int) error {
	_, err := r.look(ctx, files, atOnce, func(string) bool { return true })
	return err
}

func newBlobs() *Blobs { return &Blobs{sizes: map[string]int64{}, listed: map[string]bool{}} }

// look lists the folders where files would be, as far as those are there.
func (r *Repository) look(ctx context.Context, files []piece.File, atOnce int, there func(folder string) bool) (*Blobs, error) {
	b := newBlobs()
	wanted := map[string]map[string]bool{}
	for _, f := range files {
		name := BlobName(f.SHA256)
		folder := path.Dir(name)
		if wanted[folder] == nil {
			wanted[folder] = map[string]bool{}
		}
		wanted[folder][name] = true
	}
	maps.DeleteFunc(wanted, func(folder string, _ map[string]bool) bool {
		b.listed[folder] = !there(folder)
		return b.listed[folder]
	})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, folder := range slices.Sorted(maps.Keys(wanted)) {
		if names := wanted[folder]; len(names) > 1 { // Stat answers for a single one
			group.Go(func() error { return b.list(ctx, r.remote, folder, names) })
		}
	}
	return b, group.Wait()
}

// list lists one folder, unless another one was crowded.
func (b *Blobs) list(ctx context.Context, r storage.Remote, folder string, names map[string]bool) error {
	b.mu.Lock()
	crowd := b.crowded
	b.mu.Unlock()
	if crowd {
		return nil
	}
	objects, err := r.List(ctx, folder)
	if err != nil {
		return fmt.Errorf("list %s: %w", folder, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listed[folder] = true
	b.crowded = b.crowded || len(objects) > crowded*len(names)
	for _, o := range objects {
		if names[o.Name] {
			b.sizes[o.Name] = o.Size
		}
	}
	return nil
}

// size is a blob's, if it is known whether there is one: -1 says that there is none.
func (b *Blobs) size(name string) (size int64, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if size, there := b.sizes[name]; there {
		return size, true
	}
	return -1, b.listed[path.Dir(name)]
}

// Sent notes that a file's content is at the remote now.
func (b *Blobs) Sent(f piece.File) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes[BlobName(f.SHA256)] = f.Size
}
