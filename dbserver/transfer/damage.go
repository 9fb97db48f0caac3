package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"stasis/dbserver/backup/piece"
)

// Damage. A blob is taken for present by its name and size, since asking a remote
// for more means reading it. So who has read a blob and found other content than its
// name says, a verify or a download, leaves a mark beside it. A marked blob does not
// count as present: the next upload of whatever backup has that content sends it
// again, reads it back, and takes the mark away. A verify that finds a marked blob
// intact does so too. Nothing is removed: until then the blob is all that there is.
//
// A mark that is wrong, because the blob was mended between its reading and its
// marking, costs one more sending. A mark that comes too late for an upload under way
// stays for the next one, and list shows it.

// markFile is what a mark says, for people: its name is all that counts.
type markFile struct {
	Problem string `json:"problem"`
	Found   string `json:"found"`
}

func markName(sum string) string { return folderDamaged + "/" + sum }

// markOf takes the name of a mark apart.
func markOf(name string) (sum string, ok bool) {
	sum, ok = strings.CutPrefix(name, folderDamaged+"/")
	return sum, ok && len(sum) == hex.EncodedLen(sha256.Size)
}

// mark notes that a blob has been found damaged.
func mark(ctx context.Context, r Remote, sum, problem string) error {
	data, err := json.Marshal(markFile{Problem: problem, Found: time.Now().UTC().Format(time.RFC3339)})
	if err == nil {
		err = putBytes(ctx, r, markName(sum), data)
	}
	if err != nil {
		return fmt.Errorf("mark %s as damaged: %w", blobName(sum), err)
	}
	return nil
}

func unmark(ctx context.Context, r Remote, sum string) error {
	if err := r.Remove(ctx, markName(sum)); err != nil {
		return fmt.Errorf("take the mark of %s away: %w", blobName(sum), err)
	}
	return nil
}

// marks lists the blobs that are marked.
func marks(ctx context.Context, r Remote) (map[string]bool, error) {
	objects, err := r.List(ctx, folderDamaged)
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

// suspects are the marked blobs that an upload knows of.
type suspects struct {
	mu   sync.Mutex
	sums map[string]bool
}

func (s *suspects) look(ctx context.Context, r Remote) error {
	found, err := marks(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums = found
	return err
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

// mended reads a blob back that was marked and has been sent again, and takes its
// mark away.
func (m *mover) mended(ctx context.Context, f piece.File) error {
	wrong, err := readBlob(ctx, m.patientless(), f)
	if err != nil {
		return err
	}
	if wrong != "" {
		return fmt.Errorf("%w: it was sent again and %s", errDamaged, wrong)
	}
	if err := unmark(ctx, m.patientless(), f.SHA256); err != nil {
		return err
	}
	m.suspects.clear(f.SHA256)
	return nil
}

// readBlob reads one; wrong is what is wrong with it. One that is not there is
// ErrNotFound.
func readBlob(ctx context.Context, r Remote, f piece.File) (wrong string, err error) {
	in, err := r.Open(ctx, blobName(f.SHA256))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, &limited{in: in, ctx: ctx, count: func(int) {}})
	switch {
	case err != nil:
	case n != f.Size:
		wrong = fmt.Sprintf("has %d bytes instead of %d", n, f.Size)
	case hex.EncodeToString(sum.Sum(nil)) != f.SHA256:
		wrong = "has changed content"
	}
	return wrong, errors.Join(err, in.Close())
}
