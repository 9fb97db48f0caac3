package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
	"stasis/dbserver/engine"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// ErrContent marks content that is not what its manifest says.
var ErrContent = errors.New("content is not what the manifest says")

// Receiving is a piece that arrives, file by file, in a pending folder: it is not listed
// and cannot be restored until Incoming publishes it. Its methods may be called from
// several goroutines.
type Receiving struct {
	disk    piece.Disk
	folder  piece.Folder
	content piece.Content
	byHash  func() map[string][]string // files of published pieces

	asked wait.Once           // byHash
	local map[string][]string // its answer
}

// Have says whether a file is here as it must be: from an earlier attempt, or because
// another piece on this server has the same content. Have links such a file, or copies
// it if the engine may write to it. A file counts once all of it was read and hashed.
func (r *Receiving) Have(ctx context.Context, f piece.File) (bool, error) {
	target := r.folder.PathOf(f.Name)
	if same, err := r.same(ctx, target, f); same || err != nil {
		return same, err
	}
	identical, err := r.identical(ctx, f.SHA256)
	if err != nil {
		return false, err
	}
	for _, from := range identical {
		if same, err := r.same(ctx, from, f); err != nil || !same {
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
	temp := target + piece.SuffixTemp
	if err := piece.IgnoreMissing(r.disk.Remove(temp)); err != nil {
		return err
	}
	bring := func() error { return vfs.Copy(r.disk.FS, from, temp) }
	if engine.IsImmutable(r.disk.PathBase(target)) {
		bring = func() error { return r.disk.Link(from, temp) }
	}
	if err := bring(); err != nil {
		return errors.Join(piece.NoSpace(err), piece.IgnoreMissing(r.disk.Remove(temp)))
	}
	return r.disk.Move(temp, target)
}

// same says whether a file has this size and hash. A missing file does not.
func (r *Receiving) same(ctx context.Context, path string, f piece.File) (bool, error) {
	info, err := r.disk.Stat(path)
	if err != nil || info.Size() != f.Size {
		return false, piece.IgnoreMissing(err)
	}
	sum, err := piece.Hash(ctx, r.disk.FS, path)
	return sum == f.SHA256, piece.IgnoreMissing(err)
}

// identical gives the files of published pieces whose manifests say this hash.
func (r *Receiving) identical(ctx context.Context, sum string) ([]string, error) {
	err := r.asked.Do(ctx, func() error { // it reads the disk: the others wait as long as they want
		r.local = r.byHash()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.local[sum], nil
}

// Write stores a file's content, which must be exactly what was announced. Another size
// or hash is [ErrContent] with the file's name, and nothing of the file remains.
func (r *Receiving) Write(ctx context.Context, f piece.File, from io.Reader) error {
	target := r.folder.PathOf(f.Name)
	temp := target + piece.SuffixTemp
	err := r.copyChecked(ctx, temp, f, from)
	if err == nil {
		err = r.disk.Move(temp, target)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", f.Name, piece.NoSpace(err)), piece.IgnoreMissing(r.disk.Remove(temp)))
	}
	return nil
}

func (r *Receiving) copyChecked(ctx context.Context, path string, f piece.File, from io.Reader) error {
	out, err := r.disk.Create(path, vfs.WriteCategoryUnspecified)
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

// copyBuffer is how many bytes are copied between two looks at the context.
const copyBuffer = 1 << 20

// copyAtMost copies up to limit bytes. It stops when ctx ends.
func copyAtMost(ctx context.Context, out io.Writer, sum hash.Hash, from io.Reader, limit int64) (n int64, err error) {
	from, buffer := io.LimitReader(from, limit), make([]byte, copyBuffer)
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

// Sealed is what the piece that has arrived says of itself, and its certificate.
func (r *Receiving) Sealed() (sealed certificate.Sealed, err error) {
	if sealed.Certificate, err = r.Certificate(); err != nil {
		return sealed, err
	}
	sealed.Piece, err = r.folder.Meta()
	return sealed, err
}

// Certificate is the certificate that has arrived; nil: there is none.
func (r *Receiving) Certificate() (json.RawMessage, error) { return r.folder.Certificate() }

// complete checks that all files are there with their sizes, removes others, and checks
// that what was announced is a piece.
func (r *Receiving) complete() error {
	there, err := r.files()
	if err != nil {
		return err
	}
	for _, f := range r.content.Files {
		size, found := there[f.Name]
		if !found || size != f.Size {
			return fmt.Errorf("%s: missing or incomplete", f.Name)
		}
		delete(there, f.Name)
	}
	for extra := range there { // an earlier attempt left them
		if err := r.disk.Remove(r.folder.PathOf(extra)); err != nil {
			return err
		}
	}
	return r.folder.Matches(r.content)
}

// files are the sizes of what has arrived, by the names of a Content.
func (r *Receiving) files() (map[string]int64, error) {
	there := map[string]int64{}
	for _, sub := range []string{"", piece.DirEngine + "/"} {
		dir := r.folder.PathOf(strings.TrimSuffix(sub, "/"))
		names, err := r.disk.List(dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			info, err := r.disk.Stat(r.disk.PathJoin(dir, name))
			if err != nil {
				return nil, err
			}
			if !info.IsDir() && sub+name != fileAttempt {
				there[sub+name] = info.Size()
			}
		}
	}
	return there, nil
}
