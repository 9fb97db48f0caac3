package transfer

import (
	"context"
	"fmt"
	"path"
	"sync"

	"stasis/dbserver/backup"
)

// survey says which blobs are at the remote. Asking for each by itself costs a round
// trip per file, which some remotes (WebDAV behind rclone's pacing of 10 ms) make the
// most expensive part of many small files. So folders in which several files are looked
// for are listed instead, unless they turn out to be full of other backups' content.
type survey struct {
	listed map[string]bool // folders

	mu    sync.Mutex
	sizes map[string]int64 // of blobs in folders that were listed
}

// Bounds of what is listed.
const (
	fewInFolder = 2  // no more than so many files: each is asked for by itself
	crowded     = 50 // a folder with so many blobs for each that is looked for: the others are not listed
)

// look lists the folders where files would be.
func look(ctx context.Context, r Remote, files []backup.File) (*survey, error) {
	s := &survey{sizes: map[string]int64{}, listed: map[string]bool{}}
	wanted := map[string]map[string]bool{}
	for _, f := range files {
		name := blobName(f.SHA256)
		folder := path.Dir(name)
		if wanted[folder] == nil {
			wanted[folder] = map[string]bool{}
		}
		wanted[folder][name] = true
	}
	for folder, names := range wanted {
		if len(names) <= fewInFolder {
			continue
		}
		objects, err := r.List(ctx, folder)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", folder, err)
		}
		s.listed[folder] = true
		for _, o := range objects {
			if names[o.Name] {
				s.sizes[o.Name] = o.Size
			}
		}
		if len(objects) > crowded*len(names) {
			break
		}
	}
	return s, nil
}

// size is a blob's, if it is known whether there is one: -1 says that there is none.
func (s *survey) size(name string) (size int64, known bool) {
	if !s.listed[path.Dir(name)] {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if size, there := s.sizes[name]; there {
		return size, true
	}
	return -1, true
}

// sent notes that a blob is there now.
func (s *survey) sent(name string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[name] = size
}
