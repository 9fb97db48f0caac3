package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// Verify reads every byte of a published piece and names whatever is not as it
// was made: a changed, missing or additional file, a manifest or agency dump that
// differs from META, an engine that does not open. It changes nothing. The error
// is about asking: apierror.FileNotFound for an unknown piece, or ctx's.
func (s *Store) Verify(ctx context.Context, id string) (dbclient.VerifyResponse, error) {
	if err := s.Find(id); err != nil {
		return dbclient.VerifyResponse{Problems: []string{}}, err
	}
	m := engine.MeterOf(ctx)
	m.Doing("reads its piece", nil)
	return s.metered(m).verify(ctx, s.published(id), id)
}

// IsPiece says whether folder looks like a published piece.
func IsPiece(fs vfs.FS, folder string) bool {
	if isLeftover(fs.PathBase(folder)) || strings.HasSuffix(folder, suffixPending) {
		return false
	}
	for _, name := range []string{fileMeta, fileManifest} {
		if _, err := fs.Stat(fs.PathJoin(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// VerifyFolder is Verify for a piece in any folder, without a server. The folder's
// name must be the backup's id.
func VerifyFolder(ctx context.Context, fs vfs.FS, folder string) (dbclient.VerifyResponse, error) {
	s := &Store{config: Config{FS: fs}, log: hclog.NewNullLogger(), fs: disk{fs}}
	return s.verify(ctx, folder, fs.PathBase(folder))
}

func (s *Store) verify(ctx context.Context, dir, id string) (dbclient.VerifyResponse, error) {
	v := dbclient.VerifyResponse{Problems: []string{}}
	problem := func(format string, args ...any) { v.Problems = append(v.Problems, fmt.Sprintf(format, args...)) }

	var err error
	if v.Piece, err = s.meta(dir); err != nil {
		problem("%s: %v", fileMeta, err)
	} else if v.Piece.ID != id {
		problem("%s: belongs to backup %s", fileMeta, v.Piece.ID)
	}
	if v.Certificate, err = s.certificate(dir); err != nil {
		problem("%s: %v", fileCertificate, err)
	} else if v.Certificate == nil && v.Piece.Kind == dbclient.PieceHot {
		problem("%s: missing", fileCertificate)
	}
	s.verifySum(dir, fileDump, v.Piece.AgencyDumpSHA256, problem)
	s.verifySum(dir, fileManifest, v.Piece.ManifestSHA256, problem)
	if err := s.verifyFiles(ctx, dir, &v, problem); err != nil {
		return v, fmt.Errorf("verify piece %s: %w", id, err)
	}
	if err := engine.Check(s.config.FS, s.fs.PathJoin(dir, dirEngine)); err != nil {
		problem("engine: %v", inPiece(err))
	} else {
		s.verifyReplicas(dir, &v, problem)
	}
	return v, nil
}

// inPiece is an error of a piece's engine, whose directory its reader does not need to
// know: which piece it is he knows, and while it is staged the directory is soon gone.
func inPiece(err error) error {
	var in *engine.DirError
	if errors.As(err, &in) {
		return fmt.Errorf("%s: %w", in.Op, in.Err)
	}
	return err
}

// verifySum compares a small file with its hash in META.
func (s *Store) verifySum(dir, name, want string, problem func(string, ...any)) {
	data, err := s.fs.readFile(s.fs.PathJoin(dir, name))
	if err != nil {
		problem("%s: %v", name, err)
	} else if sumOf(data) != want && !failpoint.Off("manifest-is-hashed") {
		problem("%s: differs from the hash in %s", name, fileMeta)
	}
}

// verifyFiles compares the engine's files with the manifest, both ways.
func (s *Store) verifyFiles(ctx context.Context, dir string, v *dbclient.VerifyResponse, problem func(string, ...any)) error {
	var manifest Manifest
	if err := s.fs.readJSON(s.fs.PathJoin(dir, fileManifest), &manifest); err != nil {
		problem("%s: %v", fileManifest, err)
		return nil
	}
	there, err := s.inventory(ctx, s.fs.PathJoin(dir, dirEngine), sized)
	if err != nil {
		problem("engine: %v", err)
		return nil
	}
	left := map[string]File{}
	for _, f := range there.Files {
		left[f.Name] = f
	}
	for _, want := range manifest.Files {
		got, found := left[want.Name]
		delete(left, want.Name)
		if !found {
			problem("engine/%s: missing", want.Name)
			continue
		}
		v.Files++
		v.Bytes += got.Size
		if want.SHA256 != "" {
			got.SHA256, err = s.hash(ctx, s.fs.PathJoin(dir, dirEngine, want.Name))
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			problem("engine/%s: %v", want.Name, err)
		case got.Size != want.Size:
			problem("engine/%s: has %d bytes instead of %d", want.Name, got.Size, want.Size)
		case got.SHA256 != want.SHA256:
			problem("engine/%s: content changed", want.Name)
		}
	}
	for _, f := range there.Files {
		if _, extra := left[f.Name]; extra {
			problem("engine/%s: not in the manifest", f.Name)
		}
	}
	return nil
}
