package reader

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
)

// Piece is the folder of a published piece of a backup.
type Piece struct {
	FS  vfs.FS // on which it lies; nothing is written to it
	Dir string // "…/backups/<id>", a path as FS wants it
}

// described is a piece with what its small files say.
type described struct {
	Piece
	meta        dbclient.Piece
	manifest    piece.Manifest
	dump        *dbclient.AgencyDump
	certificate []byte // nil: none
}

// describe reads the small files of a piece of the backup id. Those that have a hash in META must match it.
func describe(ctx context.Context, id string, p Piece) (*described, *Refusal) {
	refuse := func(because error, format string, args ...any) (*described, *Refusal) {
		return nil, refused(id, because, "%s: "+format, append([]any{p.Dir}, args...)...)
	}
	folder := piece.In(p.FS, p.Dir)
	if _, err := p.FS.Stat(p.Dir); errors.Is(err, fs.ErrNotExist) {
		return refuse(ErrIncomplete, "there is no such folder")
	} else if err != nil {
		return refuse(reason(err), "%w", err)
	}
	if strings.HasSuffix(p.Dir, piece.SuffixPending) || piece.IsLeftover(p.FS.PathBase(p.Dir)) {
		return refuse(ErrIncomplete, "the piece is not published")
	}
	d := &described{Piece: p}
	var err error
	if d.meta, err = folder.Meta(); err != nil {
		return refuse(reason(err), "%s: %w", piece.FileMeta, err)
	}
	if d.meta.ID != id {
		return refuse(ErrMixed, "the piece is of backup %s", d.meta.ID)
	}
	if d.manifest, err = folder.Manifest(); err != nil {
		return refuse(reason(err), "%s: %w", piece.FileManifest, err)
	}
	d.meta.Replicas = d.manifest.Replicas
	if d.dump, err = folder.Dump(); err != nil {
		return refuse(reason(err), "%s: %w", piece.FileDump, err)
	}
	if sum, err := piece.Hash(ctx, p.FS, folder.PathOf(piece.FileDump)); err != nil {
		return refuse(reason(err), "%s: %w", piece.FileDump, err)
	} else if sum != d.meta.AgencyDumpSHA256 {
		return refuse(ErrDamaged, "%s differs from the hash in %s", piece.FileDump, piece.FileMeta)
	}
	if d.certificate, err = folder.Certificate(); err != nil {
		return refuse(reason(err), "%s: %w", piece.FileCertificate, err)
	}
	if d.certificate == nil && d.meta.Kind != certificate.Failsafe {
		return refuse(ErrDamaged, "%s is missing", piece.FileCertificate)
	}
	return d, nil
}
