package transfer

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"stasis/dbserver/backup/piece"
)

// survey says which blobs are at the remote. Asking for each by itself costs a round
// trip per file, which some remotes (WebDAV behind rclone's pacing of 10 ms) make the
// most expensive part of many small files. So folders in which several files are looked
// for are listed instead, unless they turn out to be full of other backups' content;
// and nothing is asked about folders that are not there.
type survey struct {
	mu      sync.Mutex
	listed  map[string]bool  // folders, and those that are not there
	sizes   map[string]int64 // of blobs in folders that were listed, or that were sent since
	crowded bool
}

// crowded is a folder with so many blobs for each that is looked for: the others are
// not listed.
const crowded = 50

// look finds out which of the blobs that files would be are at the remote.
func look(ctx context.Context, r Remote, files []piece.File, atOnce int) (*survey, error) {
	if len(files) == 0 {
		return newSurvey(), nil
	}
	there, err := r.Folders(ctx, folderBlobs)
	if err != nil {
		return nil, fmt.Errorf("list the folders of %s: %w", folderBlobs, err)
	}
	return lookIn(ctx, r, files, atOnce, func(folder string) bool { return slices.Contains(there, folder) })
}

func newSurvey() *survey { return &survey{sizes: map[string]int64{}, listed: map[string]bool{}} }

// lookIn lists the folders where files would be, as far as those are there, some at once.
func lookIn(ctx context.Context, r Remote, files []piece.File, atOnce int, there func(folder string) bool) (*survey, error) {
	s := newSurvey()
	wanted := map[string]map[string]bool{}
	for _, f := range files {
		name := blobName(f.SHA256)
		folder := path.Dir(name)
		if wanted[folder] == nil {
			wanted[folder] = map[string]bool{}
		}
		wanted[folder][name] = true
	}
	maps.DeleteFunc(wanted, func(folder string, _ map[string]bool) bool {
		s.listed[folder] = !there(folder)
		return s.listed[folder]
	})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, folder := range slices.Sorted(maps.Keys(wanted)) {
		if names := wanted[folder]; len(names) > 1 { // a single one is asked for by itself
			group.Go(func() error { return s.list(ctx, r, folder, names) })
		}
	}
	return s, group.Wait()
}

// list lists one folder, unless another one was crowded.
func (s *survey) list(ctx context.Context, r Remote, folder string, names map[string]bool) error {
	s.mu.Lock()
	crowd := s.crowded
	s.mu.Unlock()
	if crowd {
		return nil
	}
	objects, err := r.List(ctx, folder)
	if err != nil {
		return fmt.Errorf("list %s: %w", folder, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed[folder] = true
	s.crowded = s.crowded || len(objects) > crowded*len(names)
	for _, o := range objects {
		if names[o.Name] {
			s.sizes[o.Name] = o.Size
		}
	}
	return nil
}

// size is a blob's, if it is known whether there is one: -1 says that there is none.
func (s *survey) size(name string) (size int64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size, there := s.sizes[name]; there {
		return size, true
	}
	return -1, s.listed[path.Dir(name)]
}

// sent notes that a blob is there now.
func (s *survey) sent(name string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[name] = size
}
