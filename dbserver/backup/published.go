package backup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/backupname"
)

// Published has the pieces that are published on this server. Its methods may be called
// from any goroutine.
type Published struct{ home }

// List returns the published pieces, ordered by id: all, or those asked for that are
// here. It reads nothing but METAs unless asked for details. A piece whose META cannot
// be read is logged and not listed; Verify names what is wrong with it.
func (p *Published) List(req dbclient.ListRequest) ([]dbclient.PieceDetail, error) {
	names, err := p.disk.List(p.backups())
	if err != nil {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	slices.Sort(names)
	pieces := []dbclient.PieceDetail{}
	for _, name := range names {
		if backupname.CheckID(name) != nil || len(req.IDs) > 0 && !slices.Contains(req.IDs, name) {
			continue
		}
		detail, err := p.detail(name, req.WithDetails)
		if err != nil {
			p.log.Warn("piece not listed", "id", name, "error", err)
			continue
		}
		pieces = append(pieces, detail)
	}
	return pieces, nil
}

func (p *Published) detail(id string, all bool) (detail dbclient.PieceDetail, err error) {
	folder := p.published(id)
	detail.Piece, err = folder.Meta()
	if err != nil || !all {
		return detail, err
	}
	if detail.AgencyDump, err = folder.Dump(); err != nil {
		return detail, err
	}
	if detail.Certificate, err = folder.Certificate(); err != nil {
		return detail, err
	}
	meta, err := folder.WithReplicas()
	if err != nil { // a reader that needs the replicas sees that they are missing; Verify says why
		p.log.Warn("piece listed without its replicas", "id", id, "error", err)
	}
	detail.Replicas = meta.Replicas
	return detail, nil
}

// Find returns apierror.FileNotFound unless the piece is published here.
func (p *Published) Find(id string) error { return p.find(id) }

// Delete removes a published piece; apierror.FileNotFound if there is none. The piece is
// unlisted first, so that no crash leaves a listed piece that is not whole.
func (p *Published) Delete(id string) error {
	if err := p.find(id); err != nil {
		return err
	}
	return p.disk.Discard(p.publishedPath(id))
}

// Verify reads every byte of a published piece, see [piece.Folder.Verify]. The error is
// apierror.FileNotFound for an unknown piece, or ctx's.
func (p *Published) Verify(ctx context.Context, id string) (dbclient.VerifyResponse, error) {
	if err := p.find(id); err != nil {
		return dbclient.VerifyResponse{Problems: []string{}}, err
	}
	m := engine.MeterOf(ctx)
	m.Doing("reads its piece", nil)
	return piece.In(m.FS(p.disk.FS), p.publishedPath(id)).Verify(ctx)
}

// Content lists what must be copied of a published piece; apierror.FileNotFound for an
// unknown one.
func (p *Published) Content(ctx context.Context, id string) (piece.Content, error) {
	if err := p.find(id); err != nil {
		return piece.Content{}, err
	}
	c, err := p.published(id).Content(ctx)
	if err != nil {
		return c, fmt.Errorf("piece %s: %w", id, err)
	}
	return c, nil
}

// OpenFile opens a file of a published piece by its name in Content.
func (p *Published) OpenFile(id, name string) (io.ReadCloser, error) {
	if err := p.find(id); err != nil {
		return nil, err
	}
	return p.published(id).OpenFile(name)
}

// lookBack is how many of the newest backups knownHashes reads.
const lookBack = 4

// knownHashes collects what the newest hot pieces say of their files, and reads them
// through fs. It leaves out what it cannot read, because hashes only save work.
func (p *Published) knownHashes(fs vfs.FS) piece.Hashes {
	known := piece.Hashes{}
	counted := Published{p.home}
	counted.disk = piece.Disk{FS: fs}
	pieces, err := counted.List(dbclient.ListRequest{})
	if err != nil {
		p.log.Warn("hashes of earlier backups cannot be used", "error", err)
		return known
	}
	hot := slices.DeleteFunc(pieces, func(p dbclient.PieceDetail) bool { return p.Kind != dbclient.PieceHot })
	slices.SortFunc(hot, func(a, b dbclient.PieceDetail) int { return strings.Compare(b.DateTime, a.DateTime) })
	for _, d := range hot[:min(lookBack, len(hot))] {
		known.Learn(counted.published(d.ID), d.Piece)
	}
	return known
}

// byHash gives the engine files of all published pieces by the hash that their manifests
// say.
func (p *Published) byHash() map[string][]string {
	found := map[string][]string{}
	pieces, err := p.List(dbclient.ListRequest{})
	if err != nil {
		p.log.Warn("not looking for files that are here already", "error", err)
		return found
	}
	for _, d := range pieces {
		folder := p.published(d.ID)
		m, err := folder.ListedManifest()
		if err != nil {
			continue // Verify names what is wrong with it
		}
		for _, f := range m.Files {
			if f.SHA256 != "" {
				found[f.SHA256] = append(found[f.SHA256], p.disk.PathJoin(folder.EngineDir(), f.Name))
			}
		}
	}
	return found
}
