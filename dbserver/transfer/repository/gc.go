package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stasis/dbserver/transfer/storage"
	"stasis/internal/failpoint"
)

// Pruned is what a prune did.
type Pruned struct {
	Removed, Kept int   // blobs
	Freed         int64 // bytes
}

// Prune collects garbage: it removes the blobs that no manifest names, and the parts of
// blobs that were being sent when their upload died. It returns apierror.BackupConflict
// when an upload runs or begins, see Session. After an error, Pruned says what was
// removed before.
func (r *Repository) Prune(ctx context.Context) (p Pruned, err error) {
	s, err := r.openSession(ctx, sessionName(sessionPrune, ""), "a prune")
	if err != nil {
		return p, err
	}
	defer s.Close(ctx)
	if err := r.awaitDead(ctx, sessionName(sessionUpload, ""), false); err != nil && !failpoint.Off("prune-refuses-uploads") {
		return p, err
	}
	there, err := r.index(ctx, "")
	if err != nil {
		return p, err
	}
	c := collector{at: r, index: there, needed: map[string]bool{}}
	if err := c.need(ctx); err != nil {
		return p, err
	}
	renewed := time.Time{}
	for _, name := range slices.Sorted(maps.Keys(there.blobs)) {
		if c.needed[name] {
			p.Kept++
			continue
		}
		if time.Since(renewed) > r.lease/6 {
			renewed = time.Now()
			if err := s.Confirm(ctx); err != nil {
				return p, err
			}
		}
		within, cancel := context.WithDeadline(ctx, renewed.Add(r.lease/2))
		err := r.remote.Remove(within, name)
		cancel()
		if err != nil {
			return p, fmt.Errorf("remove %s: %w", name, err)
		}
		p.Removed++
		p.Freed += there.blobs[name].Size
	}
	return p, c.pruneMarks(ctx)
}

// collector knows what a prune must leave.
type collector struct {
	at     *Repository
	index  *index
	needed map[string]bool // blobs that the manifests name, of whole backups and of others
}

// need reads the manifests. A manifest that cannot be read ends the prune, because the
// blobs that it names are not known.
func (c *collector) need(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(c.index.pieces)) {
		for _, server := range c.index.pieces[id] {
			p, _, err := c.at.readPiece(ctx, id, server, "")
			if errors.Is(err, storage.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return err
			}
			for _, f := range p.Files {
				c.needed[BlobName(f.SHA256)] = true
			}
		}
	}
	return nil
}

// pruneMarks removes the marks of blobs that are not there any more.
func (c *collector) pruneMarks(ctx context.Context) error {
	for _, sum := range slices.Sorted(maps.Keys(c.index.damaged)) {
		name := BlobName(sum)
		if _, kept := c.index.blobs[name]; kept && c.needed[name] {
			continue
		}
		if err := unmark(ctx, c.at.remote, sum); err != nil {
			return err
		}
	}
	return nil
}
