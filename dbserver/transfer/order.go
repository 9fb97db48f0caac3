package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"time"

	"stasis/dbserver/backup"
	"stasis/dbserver/client"
	"stasis/internal/apierror"
)

// keeper lists, deletes, prunes and verifies at a remote.
type keeper struct {
	remote Remote // patient
	timing Timing
}

// shelf is what a list of the whole remote shows.
type shelf struct {
	blobs   map[string]Object   // by name, with whatever else lies below blobs
	pieces  map[string][]string // backup → servers whose manifests are there
	backups map[string]bool     // whose manifest is there
}

// look lists the remote, or one of its folders.
func (k *keeper) look(ctx context.Context, folder string) (*shelf, error) {
	all, err := k.remote.List(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("list the remote: %w", err)
	}
	s := &shelf{blobs: map[string]Object{}, pieces: map[string][]string{}, backups: map[string]bool{}}
	for _, o := range all {
		id, server, ok := manifestOf(o.Name)
		switch {
		case ok && server == "":
			s.backups[id] = true
		case ok:
			s.pieces[id] = append(s.pieces[id], server)
		case len(o.Name) > len(folderBlobs) && o.Name[:len(folderBlobs)+1] == folderBlobs+"/":
			s.blobs[o.Name] = o
		}
	}
	return s, nil
}

func (s *shelf) ids() []string {
	all := slices.Collect(maps.Keys(s.backups))
	for id := range s.pieces {
		if !s.backups[id] {
			all = append(all, id)
		}
	}
	sort.Strings(all)
	return all
}

// list says which backups are at the remote, whole or in part; with an id only that
// one, if it is there.
func (k *keeper) list(ctx context.Context, only string) ([]client.RemoteBackup, error) {
	if only != "" {
		if err := backup.CheckID(only); err != nil {
			return nil, err
		}
	}
	s, err := k.look(ctx, only)
	if err != nil {
		return nil, err
	}
	found := []client.RemoteBackup{}
	for _, id := range s.ids() {
		b, err := k.describe(ctx, s, id)
		if err != nil {
			return nil, err
		}
		found = append(found, b)
	}
	return found, nil
}

// describe is one backup. What cannot be understood is listed as incomplete; verify
// names what is wrong.
func (k *keeper) describe(ctx context.Context, s *shelf, id string) (client.RemoteBackup, error) {
	servers := slices.Sorted(slices.Values(s.pieces[id]))
	b := client.RemoteBackup{ID: id, Servers: servers}
	if !s.backups[id] {
		return b, nil
	}
	m, err := readBackup(ctx, k.remote, id)
	if errors.Is(err, errDamaged) || errors.Is(err, ErrNotFound) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	for server, mark := range m.Pieces {
		if !slices.Contains(servers, server) {
			b.Missing = append(b.Missing, server)
		}
		b.SizeInBytes += mark.Bytes
		b.NrFiles += mark.NrFiles
	}
	sort.Strings(b.Missing)
	b.DateTime, b.Version, b.PotentiallyInconsistent = m.DateTime, m.Version, m.PotentiallyInconsistent
	b.Complete = len(b.Missing) == 0
	return b, nil
}

// remove deletes a backup at the remote: its manifest first, so that it is not
// listed any more, then its pieces', then its manifest once more, because an upload
// of the same backup may have completed in between (that one looks for its pieces
// after it has written the manifest, and takes it back). Blobs are left to prune. An
// upload of this backup that is under way is refused; other uploads do not matter.
func (k *keeper) remove(ctx context.Context, id string) (int, error) {
	if err := backup.CheckID(id); err != nil {
		return 0, err
	}
	objects, err := k.remote.List(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("list backup %s: %w", id, err)
	}
	if len(objects) == 0 {
		return 0, apierror.New(apierror.NotFound, "there is no backup %s at the remote", id)
	}
	if err := awaitDead(ctx, k.remote, k.timing.Lease, uploadPrefix(id, ""), false); err != nil {
		return 0, err
	}
	names := []string{backupName(id)}
	for _, o := range objects {
		if o.Name != backupName(id) {
			names = append(names, o.Name)
		}
	}
	for _, name := range append(names, backupName(id)) {
		if err := k.remote.Remove(ctx, name); err != nil {
			return 0, fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return len(names), nil
}

// pruned is what a prune did.
type pruned struct {
	removed, kept int
	freed         int64
}

// prune removes the blobs that no manifest names, and the parts of blobs that were
// being sent when their upload died. It gives up with apierror.BackupConflict when
// an upload is under way, or begins. See session.
func (k *keeper) prune(ctx context.Context) (p pruned, err error) {
	s, err := openSession(ctx, k.remote, k.timing.Lease, sessionName(sessionPrune, ""), "a prune")
	if err != nil {
		return p, err
	}
	defer s.close(ctx)
	if err := awaitDead(ctx, k.remote, k.timing.Lease, sessionName(sessionUpload, ""), false); err != nil {
		return p, err
	}
	there, err := k.look(ctx, "")
	if err != nil {
		return p, err
	}
	needed, err := k.needed(ctx, there)
	if err != nil {
		return p, err
	}
	renewed := time.Time{}
	for _, name := range slices.Sorted(maps.Keys(there.blobs)) {
		if needed[name] {
			p.kept++
			continue
		}
		if time.Since(renewed) > k.timing.Lease/6 {
			renewed = time.Now()
			if err := s.confirm(ctx); err != nil {
				return p, err
			}
		}
		within, cancel := context.WithDeadline(ctx, renewed.Add(k.timing.Lease/2))
		err := k.remote.Remove(within, name)
		cancel()
		if err != nil {
			return p, fmt.Errorf("remove %s: %w", name, err)
		}
		p.removed++
		p.freed += there.blobs[name].Size
	}
	return p, nil
}

// needed are the blobs that the manifests name, of whole backups and of others. A
// manifest that cannot be read ends the prune: what it needs is not known.
func (k *keeper) needed(ctx context.Context, s *shelf) (map[string]bool, error) {
	needed := map[string]bool{}
	for id, servers := range s.pieces {
		for _, server := range servers {
			p, _, err := readPiece(ctx, k.remote, id, server, "")
			if errors.Is(err, ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, err
			}
			for _, f := range p.Files {
				needed[blobName(f.SHA256)] = true
			}
		}
	}
	return needed, nil
}

// verify reads backups at the remote again, all or one, every byte, and says what is
// not as it was sent. Blobs that several need are read once.
func (k *keeper) verify(ctx context.Context, id string) (found []client.RemoteBackup, problems []string, err error) {
	s, err := k.look(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	ids := s.ids()
	if id != "" {
		if !slices.Contains(ids, id) {
			return nil, nil, apierror.New(apierror.NotFound, "there is no backup %s at the remote", id)
		}
		ids = []string{id}
	}
	v := &verifier{keeper: k, shelf: s, checked: map[string]string{}}
	for _, id := range ids {
		b, err := k.describe(ctx, s, id)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, b)
		if err := v.backup(ctx, id); err != nil {
			return nil, nil, err
		}
	}
	return found, v.problems, nil
}

type verifier struct {
	*keeper
	shelf    *shelf
	checked  map[string]string // blob → what is wrong with it
	problems []string
}

func (v *verifier) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

func (v *verifier) backup(ctx context.Context, id string) error {
	marks := map[string]pieceMark{}
	for _, server := range v.shelf.pieces[id] {
		marks[server] = pieceMark{}
	}
	m, err := readBackup(ctx, v.remote, id)
	switch {
	case errors.Is(err, ErrNotFound):
		v.problem("%s: not complete: %s is missing", id, fileBackup)
	case errors.Is(err, errDamaged):
		v.problem("%s: %v", id, err)
	case err != nil:
		return err
	}
	maps.Copy(marks, m.Pieces)
	for _, server := range slices.Sorted(maps.Keys(marks)) {
		if _, listed := m.Pieces[server]; !listed && len(m.Pieces) > 0 {
			v.problem("%s: the piece of %s is not in %s", id, server, fileBackup)
		}
		if err := v.piece(ctx, id, server, marks[server].SHA256); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) piece(ctx context.Context, id, server, want string) error {
	p, _, err := readPiece(ctx, v.remote, id, server, want)
	switch {
	case errors.Is(err, ErrNotFound):
		v.problem("%s: %s is missing", id, pieceName(id, server))
		return nil
	case errors.Is(err, errDamaged):
		v.problem("%s: %v", id, err)
		return nil
	case err != nil:
		return err
	}
	for _, f := range p.Files {
		wrong, known := v.checked[f.SHA256]
		if !known {
			if wrong, err = v.blob(ctx, f); err != nil {
				return err
			}
			v.checked[f.SHA256] = wrong
		}
		if wrong != "" {
			v.problem("%s: %s of %s: %s %s", id, f.Name, server, blobName(f.SHA256), wrong)
		}
	}
	return nil
}

// blob reads one; wrong is what is wrong with it.
func (v *verifier) blob(ctx context.Context, f backup.File) (wrong string, err error) {
	err = patient{timing: v.timing}.again(ctx, func() error {
		in, err := v.remote.Open(ctx, blobName(f.SHA256))
		if err != nil {
			return err
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
		return errors.Join(err, in.Close())
	})
	if errors.Is(err, ErrNotFound) {
		return "is missing", nil
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", blobName(f.SHA256), err)
	}
	return wrong, err
}
