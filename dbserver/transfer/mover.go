package transfer

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"stasis/client/certificate"
	"stasis/dbserver/backup"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/repository"
)

// defaultTransfers is how many files move at once.
const defaultTransfers = 4

// mover moves the files of one piece between this server and a repository.
type mover struct {
	remote   *repository.Repository
	pieces   *backup.Store
	progress *progress
	limit    *rate.Limiter
	atOnce   int
	trust    certificate.Trust // of downloads

	aborted func(ctx context.Context) bool // whether the agency says so; nil: there is no agency
}

// each calls f for all files, atOnce of them at a time. The first error ends it.
func (m *mover) each(ctx context.Context, files []piece.File, f func(context.Context, piece.File) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(m.atOnce)
	for _, file := range files {
		if working.Err() != nil {
			break
		}
		group.Go(func() error { return f(working, file) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// suspects are the marked blobs that an upload knows of.
type suspects struct {
	mu   sync.Mutex
	sums map[string]bool
}

func (s *suspects) set(sums map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums = sums
}

func (s *suspects) has(sum string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sums[sum]
}

func (s *suspects) clear(sum string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sums, sum)
}
