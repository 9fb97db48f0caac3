package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"stasis/dbserver/backup/piece"
	"stasis/dbserver/transfer/storage"
)

// Damage. A blob counts as present by its name and size, since asking a remote for more
// means reading the blob. A verify or a download that has read a blob and found other
// content than its name says therefore leaves a mark beside it. A marked blob does not
// count as present: the next upload of any backup that has this content sends it again,
// reads it back, and removes the mark. A verify that finds a marked blob intact does so
// too. The damaged blob stays until then: it is all that there is.
//
// A mark is wrong if the blob was repaired between its reading and its marking. It costs
// one more sending. A mark that comes too late for an upload that runs stays for the next
// one, and List shows it.

// markFile is what a mark says, for people: only its name counts.
type markFile struct {
	Problem string `json:"problem"`
	Found   string `json:"found"`
}

func markName(sum string) string { return folderDamaged + "/" + sum }

// markOf returns the hash in the name of a mark.
func markOf(name string) (sum string, ok bool) {
	sum, ok = strings.CutPrefix(name, folderDamaged+"/")
	return sum, ok && len(sum) == hex.EncodedLen(sha256.Size)
}

// Mark notes that a blob has been found damaged.
func (r *Repository) Mark(ctx context.Context, sum, problem string) error {
	data, err := json.Marshal(markFile{Problem: problem, Found: r.Wall.Stamp()})
	if err == nil {
		err = putBytes(ctx, r.remote, markName(sum), data)
	}
	if err != nil {
		return fmt.Errorf("mark %s as damaged: %w", BlobName(sum), err)
	}
	return nil
}

func unmark(ctx context.Context, r storage.Remote, sum string) error {
	if err := r.Remove(ctx, markName(sum)); err != nil {
		return fmt.Errorf("remove the mark of %s: %w", BlobName(sum), err)
	}
	return nil
}

// Marks lists the hashes of the blobs that are marked.
func (r *Repository) Marks(ctx context.Context) (map[string]bool, error) {
	objects, err := r.remote.List(ctx, folderDamaged)
	if err != nil {
		return nil, fmt.Errorf("list what is damaged: %w", err)
	}
	found := map[string]bool{}
	for _, o := range objects {
		if sum, ok := markOf(o.Name); ok {
			found[sum] = true
		}
	}
	return found, nil
}

// Repaired reads a marked blob that has been sent again, and removes its mark if the blob
// is intact; [ErrDamaged] if it is not. It repeats none of its calls.
func (r *Repository) Repaired(ctx context.Context, f piece.File) error {
	wrong, err := r.readBlob(ctx, f)
	if err != nil {
		return err
	}
	if wrong != "" {
		return fmt.Errorf("%w: it was sent again and %s", ErrDamaged, wrong)
	}
	return unmark(ctx, r.plain, f.SHA256)
}

// readBlob reads a blob once; wrong is what is wrong with it. A missing blob is
// storage.ErrNotFound.
func (r *Repository) readBlob(ctx context.Context, f piece.File) (wrong string, err error) {
	in, err := r.plain.Open(ctx, BlobName(f.SHA256))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, storage.Limited(ctx, in, nil, nil))
	switch {
	case err != nil:
	case n != f.Size:
		wrong = fmt.Sprintf("has %d bytes instead of %d", n, f.Size)
	case hex.EncodeToString(sum.Sum(nil)) != f.SHA256:
		wrong = "has changed content"
	}
	return wrong, errors.Join(err, in.Close())
}
