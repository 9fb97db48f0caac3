package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/engine/sums"
	"stasis/dbserver/shard"
)

// builder builds a staged restore.
type builder struct {
	disk    piece.Disk // counts what it does
	options engine.Options
}

// build makes a complete staged restore in dir, from a piece.
func (b builder) build(ctx context.Context, dir, from string, req dbclient.StageRequest) error {
	engineDir := b.disk.PathJoin(dir, piece.DirEngine)
	if err := b.disk.MkdirAll(engineDir, 0o700); err != nil {
		return err
	}
	if !req.Empty {
		if err := b.bring(ctx, piece.In(b.disk.FS, from), engineDir); err != nil {
			return err
		}
		if err := engine.Check(b.disk.FS, engineDir); err != nil {
			return fmt.Errorf("engine of the piece: %w", piece.WithoutDir(err))
		}
	}
	if err := b.mark(engineDir, req); err != nil {
		return err
	}
	if err := b.disk.WriteJSON(b.disk.PathJoin(engineDir, piece.FileRestored), restoredFile{Epoch: req.Epoch, Nonce: req.Nonce}); err != nil {
		return err
	}
	if err := b.disk.WriteJSON(b.disk.PathJoin(dir, fileRestore), req); err != nil {
		return err
	}
	return b.disk.SyncDir(dir)
}

// bring links or copies the files of a piece into engineDir, as its manifest lists them.
func (b builder) bring(ctx context.Context, from piece.Folder, engineDir string) error {
	manifest, err := from.Manifest()
	if err != nil {
		return err
	}
	for _, f := range manifest.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.disk.PathBase(f.Name) != f.Name { // a manifest may come from elsewhere
			return fmt.Errorf("%s: names the file %q outside the engine", piece.FileManifest, f.Name)
		}
		if err := b.bringFile(ctx, f, b.disk.PathJoin(from.EngineDir(), f.Name), b.disk.PathJoin(engineDir, f.Name)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if err := sums.Write(b.disk, engineDir, sumsOf(manifest)); err != nil {
		return err
	}
	return b.disk.SyncDir(engineDir)
}

// sumsOf are the sums of the tables that a manifest vouches for. The staged engine has the same files.
func sumsOf(m piece.Manifest) map[string]string {
	known := map[string]string{}
	for _, f := range m.Files {
		if engine.IsImmutable(f.Name) && f.SHA256 != "" {
			known[f.Name] = f.SHA256
		}
	}
	return known
}

// bringFile links or copies one file. It compares what it copies with the manifest,
// because an engine replays a damaged log up to the damage and does not complain. Tables
// have checksums of their own, see engine.Check.
func (b builder) bringFile(ctx context.Context, want piece.File, from, to string) error {
	depth := piece.Hashed
	if engine.IsImmutable(want.Name) || want.SHA256 == "" {
		depth = piece.Sized
	}
	got, err := piece.Measure(ctx, b.disk.FS, from, depth, nil)
	switch {
	case err != nil:
		return err
	case got.Size != want.Size:
		return fmt.Errorf("has %d bytes instead of %d", got.Size, want.Size)
	case depth == piece.Hashed && got.SHA256 != want.SHA256:
		return errors.New("its content is not what was certified")
	case engine.IsImmutable(want.Name):
		return b.disk.Link(from, to)
	}
	return vfs.Copy(b.disk, from, to)
}

// mark opens the staged engine for the first time, gives it its epoch, and tells its
// replicas what they were at the cut.
func (b builder) mark(engineDir string, req dbclient.StageRequest) error {
	options := b.options
	options.MustExist = !req.Empty
	e, err := engine.Open(engineDir, options)
	if err != nil {
		return err
	}
	return errors.Join(e.SetEpoch(req.Epoch, req.Nonce), certify(e, req), e.Close())
}

// certify writes into a staged engine what its replicas were at the cut: in sync or not,
// and where their shards stood.
func certify(e *engine.Engine, req dbclient.StageRequest) error {
	for _, st := range req.Statements {
		inSync := slices.Contains(st.InSync, req.Source)
		err := shard.Certify(e, st.Shard, shard.Position{Tenure: shard.Tenure(st.Last.Tenure), Seq: st.Last.Seq}, inSync)
		if errors.Is(err, shard.ErrNoShard) && !inSync {
			continue // planned here, and not made yet
		}
		if err != nil {
			return fmt.Errorf("engine of the piece: %w", err)
		}
	}
	return nil
}
