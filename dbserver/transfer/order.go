package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
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
	damaged map[string]bool     // hashes of blobs that are marked
}

// look lists the remote, or one of its folders.
func (k *keeper) look(ctx context.Context, folder string) (*shelf, error) {
	all, err := k.remote.List(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("list the remote: %w", err)
	}
	s := &shelf{blobs: map[string]Object{}, pieces: map[string][]string{}, backups: map[string]bool{}, damaged: map[string]bool{}}
	for _, o := range all {
		id, server, ok := manifestOf(o.Name)
		sum, marked := markOf(o.Name)
		switch {
		case marked:
			s.damaged[sum] = true
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
func (k *keeper) list(ctx context.Context, only string) ([]dbclient.RemoteBackup, error) {
	if only != "" {
		if err := piece.CheckID(only); err != nil {
			return nil, err
		}
	}
	s, err := k.look(ctx, only)
	if err == nil && only != "" {
		s.damaged, err = marks(ctx, k.remote)
	}
	if err != nil {
		return nil, err
	}
	found := []dbclient.RemoteBackup{}
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
func (k *keeper) describe(ctx context.Context, s *shelf, id string) (dbclient.RemoteBackup, error) {
	servers := slices.Sorted(slices.Values(s.pieces[id]))
	b := dbclient.RemoteBackup{ID: id, Servers: servers}
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
	b.Damaged, err = k.damagedFiles(ctx, s, id)
	return b, err
}

// damagedFiles counts the files of a backup whose blobs are marked.
func (k *keeper) damagedFiles(ctx context.Context, s *shelf, id string) (n int, err error) {
	if len(s.damaged) == 0 {
		return 0, nil
	}
	for _, server := range s.pieces[id] {
		p, _, err := readPiece(ctx, k.remote, id, server, "")
		switch {
		case errors.Is(err, errDamaged), errors.Is(err, ErrNotFound):
			continue // what it has cannot be known
		case err != nil:
			return n, err
		}
		for _, f := range p.Files {
			if s.damaged[f.SHA256] {
				n++
			}
		}
	}
	return n, nil
}

// remove deletes a backup at the remote: its manifest first, so that it is not
// listed any more, then its pieces', then its manifest once more, because an upload
// of the same backup may have completed in between (that one looks for its pieces
// after it has written the manifest, and takes it back). Blobs are left to prune. An
// upload of this backup that is under way is refused; other uploads do not matter.
func (k *keeper) remove(ctx context.Context, id string) (int, error) {
	if err := piece.CheckID(id); err != nil {
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
	if err := awaitDead(ctx, k.remote, k.timing.Lease, sessionName(sessionUpload, ""), false); err != nil && !failpoint.Off("prune-refuses-uploads") {
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
	return p, k.pruneMarks(ctx, there, needed)
}

// pruneMarks takes the marks of blobs away that are not there any more.
func (k *keeper) pruneMarks(ctx context.Context, there *shelf, needed map[string]bool) error {
	for sum := range there.damaged {
		name := blobName(sum)
		if _, kept := there.blobs[name]; kept && needed[name] {
			continue
		}
		if err := unmark(ctx, k.remote, sum); err != nil {
			return err
		}
	}
	return nil
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
