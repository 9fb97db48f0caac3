package piece

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
)

// IsPublished says whether a folder looks like a published piece.
func IsPublished(fs vfs.FS, folder string) bool {
	if IsLeftover(fs.PathBase(folder)) || strings.HasSuffix(folder, SuffixPending) {
		return false
	}
	for _, name := range []string{FileMeta, FileManifest} {
		if _, err := fs.Stat(fs.PathJoin(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// Verify reads every byte of the piece and names whatever is not as it was made: a
// changed, missing or additional file, a manifest or agency dump that differs from
// META, an engine that does not open, a replica that stands elsewhere. The name of the
// folder must be the backup's id. Verify changes nothing. Its error is ctx's.
func (f Folder) Verify(ctx context.Context) (dbclient.VerifyResponse, error) {
	v := verification{Folder: f, found: dbclient.VerifyResponse{Problems: []string{}}}
	id := f.disk.PathBase(f.path)
	v.descriptions(id)
	if err := v.files(ctx); err != nil {
		return v.found, fmt.Errorf("verify piece %s: %w", id, err)
	}
	if err := engine.Check(f.disk.FS, f.EngineDir()); err != nil {
		v.problem("engine: %v", WithoutDir(err))
		return v.found, nil
	}
	v.replicas()
	return v.found, nil
}

// verification collects what is wrong with a piece.
type verification struct {
	Folder
	found dbclient.VerifyResponse
}

func (v *verification) problem(format string, args ...any) {
	v.found.Problems = append(v.found.Problems, fmt.Sprintf(format, args...))
}

// descriptions verifies the small files.
func (v *verification) descriptions(id string) {
	var err error
	if v.found.Piece, err = v.Meta(); err != nil {
		v.problem("%s: %v", FileMeta, err)
	} else if v.found.Piece.ID != id {
		v.problem("%s: belongs to backup %s", FileMeta, v.found.Piece.ID)
	}
	if v.found.Certificate, err = v.Certificate(); err != nil {
		v.problem("%s: %v", FileCertificate, err)
	} else if v.found.Certificate == nil && v.found.Piece.Kind == dbclient.PieceHot {
		v.problem("%s: missing", FileCertificate)
	} else if v.found.Certificate != nil && !certificate.IsAsSigned(v.found.Certificate) {
		v.problem("%s: not in the form in which a signed certificate is written", FileCertificate)
	}
	v.sum(FileDump, v.found.Piece.AgencyDumpSHA256)
	v.sum(FileManifest, v.found.Piece.ManifestSHA256)
}

// sum compares a small file with its hash in META.
func (v *verification) sum(name, want string) {
	data, err := v.disk.ReadFile(v.at(name))
	if err != nil {
		v.problem("%s: %v", name, err)
	} else if sumOf(data) != want && !failpoint.Off("manifest-is-hashed") {
		v.problem("%s: differs from the hash in %s", name, FileMeta)
	}
}

// files compares the engine's files with the manifest, both ways.
func (v *verification) files(ctx context.Context) error {
	manifest, err := v.ListedManifest()
	if err != nil {
		v.problem("%s: %v", FileManifest, err)
		return nil
	}
	there, err := Inventory(ctx, v.disk, v.EngineDir(), Sized, Known{})
	if err != nil {
		v.problem("engine: %v", err)
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
			v.problem("engine/%s: missing", want.Name)
			continue
		}
		if err := v.file(ctx, want, got); err != nil {
			return err
		}
	}
	for _, f := range there.Files {
		if _, extra := left[f.Name]; extra {
			v.problem("engine/%s: not in the manifest", f.Name)
		}
	}
	return nil
}

// file compares one file of the engine with the manifest.
func (v *verification) file(ctx context.Context, want, got File) (err error) {
	v.found.Files++
	v.found.Bytes += got.Size
	if want.SHA256 != "" {
		got.SHA256, err = Hash(ctx, v.disk, v.disk.PathJoin(v.EngineDir(), want.Name))
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		v.problem("engine/%s: %v", want.Name, err)
	case got.Size != want.Size:
		v.problem("engine/%s: has %d bytes instead of %d", want.Name, got.Size, want.Size)
	case got.SHA256 != want.SHA256:
		v.problem("engine/%s: content changed", want.Name)
	}
	return nil
}

// replicas compares what the manifest says of the replicas with the engine, which opens.
// It repeats no problem of the manifest itself.
func (v *verification) replicas() {
	manifest, err := v.ListedManifest()
	if err != nil || manifest.Replicas == nil {
		return // or it is a failsafe's, or of format 1
	}
	v.found.Piece.Replicas = manifest.Replicas
	found, err := Replicas(v.disk.FS, v.EngineDir(), manifest.Statements)
	if err != nil {
		v.problem("engine: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(manifest.Replicas)) {
		is, there := found[name]
		if says := manifest.Replicas[name]; !there || !equalReplicas(says, is) {
			v.problem("engine: the replica of shard %s stands at %+v (there: %v), the manifest says %+v", name, is, there, says)
		}
		delete(found, name)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		v.problem("engine: the replica of shard %s is not in the manifest", name)
	}
}
