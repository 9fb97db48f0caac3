package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// kindReceived marks the pending folder of a piece that comes from elsewhere. The
// agency knows nothing of it: Resolve leaves it alone, and it stays until it is
// published, discarded, or its backup is deleted, so that what has arrived is not
// fetched again.
const kindReceived = "received"

// Receiving is a piece that arrives from elsewhere, file by file, in a pending
// folder: it is not listed and cannot be restored before Publish. Its methods may
// be called from several goroutines, Publish and Discard after all others.
type Receiving struct {
	store   *Store
	content Content
	dir     string

	mu    sync.Mutex
	local map[string][]string // hash → files of published pieces
}

// Receive begins to receive a piece, or goes on with one whose process died. The
// caller sees to it that a backup is received once at a time. A piece that is
// published already, or is being made here, is apierror.BackupConflict.
func (s *Store) Receive(c Content) (*Receiving, error) {
	if err := c.Check(); err != nil {
		return nil, apierror.New(apierror.BackupDownload, "piece of backup %s: %w", c.Piece.ID, err)
	}
	id := c.Piece.ID
	_, end, err := s.step(id)
	if err != nil {
		return nil, err
	}
	defer end()
	if found, err := s.fs.exists(s.published(id)); err != nil || found {
		return nil, errors.Join(err, conflict(id, found))
	}
	found, err := s.fs.exists(s.pending(id))
	if err != nil {
		return nil, err
	}
	if found {
		if err := s.isReceived(id); err != nil {
			return nil, err
		}
	} else if err := s.makeReceived(id); err != nil {
		return nil, fmt.Errorf("receive piece %s: %w", id, err)
	}
	r := &Receiving{store: s, content: c, dir: s.pending(id)}
	return r, s.fs.mkdir(s.fs.PathJoin(r.dir, dirEngine))
}

func (s *Store) isReceived(id string) error {
	var f attemptFile
	if err := s.fs.readJSON(s.fs.PathJoin(s.pending(id), fileAttempt), &f); err != nil {
		return err
	}
	return conflict(id, f.Kind != kindReceived)
}

func (s *Store) makeReceived(id string) error {
	building := s.pending(id) + suffixTemp
	if err := errors.Join(s.fs.RemoveAll(building), s.fs.mkdir(building)); err != nil {
		return err
	}
	err := s.fs.writeJSON(s.fs.PathJoin(building, fileAttempt), attemptFile{ID: id, Nonce: kindReceived, Kind: kindReceived})
	if err == nil {
		err = s.fs.rename(building, s.pending(id))
	}
	if err != nil {
		return errors.Join(noSpace(err), s.fs.RemoveAll(building))
	}
	return nil
}

// Have says whether a file is here as it must be: from an earlier attempt, or
// because another piece on this server has the same content, which is then linked
// (copied, if the engine may write to the file). Everything is read and hashed
// before it counts.
func (r *Receiving) Have(ctx context.Context, f File) (bool, error) {
	target := r.store.path(r.dir, f.Name)
	if same, err := r.store.same(ctx, target, f); same || err != nil {
		return same, err
	}
	for _, from := range r.identical(f.SHA256) {
		if same, err := r.store.same(ctx, from, f); err != nil || !same {
			continue // deleted meanwhile, or damaged
		}
		if err := r.take(from, target); err == nil {
			return true, nil
		}
	}
	return false, ctx.Err()
}

// take links or copies a local file, under a temporary name first.
func (r *Receiving) take(from, target string) error {
	fs := r.store.fs
	temp := target + suffixTemp
	if err := ignoreMissing(fs.Remove(temp)); err != nil {
		return err
	}
	bring := func() error { return vfs.Copy(fs.FS, from, temp) }
	if engine.IsImmutable(fs.PathBase(target)) {
		bring = func() error { return fs.Link(from, temp) }
	}
	if err := bring(); err != nil {
		return errors.Join(noSpace(err), ignoreMissing(fs.Remove(temp)))
	}
	return fs.rename(temp, target)
}

// same says whether a file has this size and hash; a missing one has not.
func (s *Store) same(ctx context.Context, path string, f File) (bool, error) {
	info, err := s.fs.Stat(path)
	if err != nil || info.Size() != f.Size {
		return false, ignoreMissing(err)
	}
	sum, err := s.hash(ctx, path)
	return sum == f.SHA256, ignoreMissing(err)
}

// identical gives the files of published pieces whose manifests say this hash.
func (r *Receiving) identical(sum string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.local == nil {
		r.local = r.store.bySum()
	}
	return r.local[sum]
}

func (s *Store) bySum() map[string][]string {
	found := map[string][]string{}
	pieces, err := s.List(dbclient.ListRequest{})
	if err != nil {
		s.log.Warn("not looking for files that are here already", "error", err)
		return found
	}
	for _, p := range pieces {
		var m Manifest
		dir := s.published(p.ID)
		if err := s.fs.readJSON(s.fs.PathJoin(dir, fileManifest), &m); err != nil {
			continue // Verify names what is wrong with it
		}
		for _, f := range m.Files {
			if f.SHA256 != "" {
				found[f.SHA256] = append(found[f.SHA256], s.fs.PathJoin(dir, dirEngine, f.Name))
			}
		}
	}
	return found
}

// Write stores a file's content, which must be exactly what was announced: another
// size or hash is an error that names the file, and nothing of it remains.
func (r *Receiving) Write(ctx context.Context, f File, from io.Reader) error {
	target := r.store.path(r.dir, f.Name)
	temp := target + suffixTemp
	err := r.store.copyChecked(ctx, temp, f, from)
	if err == nil {
		err = r.store.fs.rename(temp, target)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.Name, noSpace(err)), ignoreMissing(r.store.fs.Remove(temp)))
	}
	return nil
}

// ErrContent marks content that is not what its manifest says.
var ErrContent = errors.New("content is not what the manifest says")

func (s *Store) copyChecked(ctx context.Context, path string, f File, from io.Reader) error {
	out, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := copyAtMost(ctx, out, sum, from, f.Size+1)
	switch {
	case err != nil:
	case n != f.Size:
		err = fmt.Errorf("%w: %s bytes instead of %d", ErrContent, countOf(n, f.Size), f.Size)
	case hex.EncodeToString(sum.Sum(nil)) != f.SHA256 && !failpoint.Off("received-is-hashed"):
		err = fmt.Errorf("%w: its hash is %x", ErrContent, sum.Sum(nil))
	default:
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

func countOf(n, want int64) string {
	if n > want {
		return "more"
	}
	return fmt.Sprint(n)
}

// copyAtMost copies up to limit bytes; ctx ends it early.
func copyAtMost(ctx context.Context, out io.Writer, sum hash.Hash, from io.Reader, limit int64) (n int64, err error) {
	from, buffer := io.LimitReader(from, limit), make([]byte, hashBuffer)
	for {
		k, err := from.Read(buffer)
		if k > 0 {
			sum.Write(buffer[:k])
			if _, werr := out.Write(buffer[:k]); werr != nil { // may change buffer
				return n, werr
			}
			n += int64(k)
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case ctx.Err() != nil:
			return n, ctx.Err()
		}
	}
}

// Publish lists the piece from now on. All files must have been had or written; it
// checks that they are all there, that there are no others, and that META vouches
// for manifest and agency dump.
func (r *Receiving) Publish() error {
	id := r.content.Piece.ID
	_, end, err := r.store.step(id)
	if err != nil {
		return err
	}
	defer end()
	if err := r.store.isReceived(id); err != nil {
		return err
	}
	if err := r.complete(); err != nil {
		return fmt.Errorf("publish received piece %s: %w", id, err)
	}
	if err := errors.Join(r.store.fs.syncDir(r.store.fs.PathJoin(r.dir, dirEngine)), r.store.fs.syncDir(r.dir)); err != nil {
		return err
	}
	return r.store.fs.rename(r.dir, r.store.published(id))
}

func (r *Receiving) complete() error {
	there := map[string]int64{}
	for _, sub := range []string{"", enginePrefix} {
		dir := r.store.path(r.dir, strings.TrimSuffix(sub, "/"))
		names, err := r.store.fs.List(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			info, err := r.store.fs.Stat(r.store.fs.PathJoin(dir, name))
			if err != nil {
				return err
			}
			if !info.IsDir() && sub+name != fileAttempt {
				there[sub+name] = info.Size()
			}
		}
	}
	for _, f := range r.content.Files {
		size, found := there[f.Name]
		if !found || size != f.Size {
			return fmt.Errorf("%s: missing or incomplete", f.Name)
		}
		delete(there, f.Name)
	}
	if err := r.removeExtra(there); err != nil {
		return err
	}
	return r.vouch()
}

// removeExtra takes away what an earlier attempt left that is not of this piece.
func (r *Receiving) removeExtra(extra map[string]int64) error {
	for name := range extra {
		if err := r.store.fs.Remove(r.store.path(r.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// vouch checks that META fits the other files: that what was announced is a piece.
func (r *Receiving) vouch() error {
	piece, err := r.store.meta(r.dir)
	if err != nil {
		return err
	}
	sum := func(name string) string {
		i := slices.IndexFunc(r.content.Files, func(f File) bool { return f.Name == name })
		return r.content.Files[i].SHA256
	}
	var m Manifest
	if err := r.store.fs.readJSON(r.store.path(r.dir, fileManifest), &m); err != nil {
		return err
	}
	switch {
	case piece.ID != r.content.Piece.ID || piece.ServerID != r.content.Piece.ServerID:
		return fmt.Errorf("%s is of backup %s and %s", fileMeta, piece.ID, piece.ServerID)
	case piece.ManifestSHA256 != sum(fileManifest):
		return fmt.Errorf("%s: differs from the hash in %s", fileManifest, fileMeta)
	case piece.AgencyDumpSHA256 != sum(fileDump):
		return fmt.Errorf("%s: differs from the hash in %s", fileDump, fileMeta)
	}
	return r.content.matches(m)
}

// matches compares the engine's files with the piece's own manifest, both ways.
func (c Content) matches(m Manifest) error {
	listed := map[string]File{}
	for _, f := range c.Files {
		listed[f.Name] = f
	}
	for _, want := range m.Files {
		got, found := listed[enginePrefix+want.Name]
		if !found || got.Size != want.Size || want.SHA256 != "" && got.SHA256 != want.SHA256 {
			return fmt.Errorf("%s: not the file of the piece's manifest", want.Name)
		}
		delete(listed, enginePrefix+want.Name)
	}
	for name := range listed {
		if strings.HasPrefix(name, enginePrefix) {
			return fmt.Errorf("%s: not in the piece's manifest", name)
		}
	}
	return nil
}

// Discard removes what has arrived.
func (r *Receiving) Discard() error { return r.store.DropReceived(r.content.Piece.ID) }

// DropReceived removes what has arrived of a piece that is not published; no error
// if there is nothing. It leaves alone what a backup under way is making.
func (s *Store) DropReceived(id string) error {
	a, end, err := s.step(id)
	if err != nil {
		return err
	}
	defer end()
	if found, err := s.fs.exists(s.pending(id)); err != nil || !found {
		return err
	}
	if s.isReceived(id) != nil {
		return nil
	}
	return s.remove(a, id)
}
