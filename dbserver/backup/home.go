package backup

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/backupname"
	"stasis/internal/failpoint"
)

// Names in a server's data directory, beside those of a piece.
const (
	dirBackups = "backups"

	fileAttempt = "ATTEMPT"      // in a pending folder
	fileRestore = "RESTORE.json" // in a staged restore

	prefixStaged = "engine.restore-"
)

// home knows where a server keeps its engine, its pieces and its staged restores.
type home struct {
	disk     piece.Disk
	dir      string // the data directory
	serverID string
	log      hclog.Logger
}

func (h home) engineDir() string { return h.disk.PathJoin(h.dir, piece.DirEngine) }

func (h home) backups() string { return h.disk.PathJoin(h.dir, dirBackups) }

func (h home) publishedPath(id string) string { return h.disk.PathJoin(h.backups(), id) }

func (h home) pendingPath(id string) string { return h.publishedPath(id) + piece.SuffixPending }

func (h home) published(id string) piece.Folder { return piece.In(h.disk.FS, h.publishedPath(id)) }

func (h home) pending(id string) piece.Folder { return piece.In(h.disk.FS, h.pendingPath(id)) }

func (h home) stagedPath(epoch uint64) string { return h.disk.PathJoin(h.dir, stagedName(epoch)) }

// stagedName is the folder of the restore that leads to epoch.
func stagedName(epoch uint64) string { return prefixStaged + strconv.FormatUint(epoch, 10) }

// find returns apierror.FileNotFound unless the piece is published here.
func (h home) find(id string) error {
	if err := backupname.CheckID(id); err != nil {
		return err
	}
	found, err := h.published(id).Exists()
	if err == nil && !found {
		err = apierror.New(apierror.FileNotFound, "no piece of backup %s on %s", id, h.serverID)
	}
	return err
}

// attemptFile is the content of ATTEMPT: what makes the pending piece.
type attemptFile struct {
	ID    string `json:"id"`
	Nonce string `json:"nonce"`
	Kind  string `json:"kind"`
}

// attempt reads the ATTEMPT of a pending piece.
func (h home) attempt(id string) (f attemptFile, err error) {
	err = h.disk.ReadJSON(h.disk.PathJoin(h.pendingPath(id), fileAttempt), &f)
	return f, err
}

// makePending makes the pending folder, durably and never without its ATTEMPT, because
// Resolve may read it at any moment.
func (h home) makePending(f attemptFile) error {
	building := h.pendingPath(f.ID) + piece.SuffixTemp
	if err := errors.Join(h.disk.RemoveAll(building), h.disk.MakeDir(building)); err != nil {
		return err
	}
	err := h.disk.WriteJSON(h.disk.PathJoin(building, fileAttempt), f)
	if err == nil {
		err = h.disk.Move(building, h.pendingPath(f.ID))
	}
	if err != nil {
		return errors.Join(piece.NoSpace(err), h.disk.RemoveAll(building))
	}
	return nil
}

// owned returns apierror.BackupConflict unless the pending piece belongs to nonce, and
// apierror.FileNotFound if there is none.
func (h home) owned(id, nonce string) error {
	found, err := h.pending(id).Exists()
	if err != nil {
		return err
	}
	if !found {
		return apierror.New(apierror.FileNotFound, "no pending piece of backup %s on %s", id, h.serverID)
	}
	f, err := h.attempt(id)
	if err != nil {
		return err
	}
	return conflict(id, f.Nonce != nonce && !failpoint.Off("piece-of-nonce"))
}

func conflict(id string, found bool) error {
	if !found {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "backup %s has a piece here already", id)
}

// staged reads the request of a staged restore.
func (h home) staged(epoch uint64) (req dbclient.StageRequest, found bool, err error) {
	if found, err = h.disk.Exists(h.stagedPath(epoch)); err != nil || !found {
		return req, false, err
	}
	err = h.disk.ReadJSON(h.disk.PathJoin(h.stagedPath(epoch), fileRestore), &req)
	return req, err == nil, err
}

// restoredFile is the content of RESTORED: which restore an engine comes from.
type restoredFile struct {
	Epoch uint64 `json:"epoch"`
	Nonce string `json:"nonce"`
}

// restoreOf reads which restore the engine in dir comes from; zero if from none.
func (h home) restoreOf(dir string) (mark restoredFile, err error) {
	err = h.disk.ReadJSON(h.disk.PathJoin(dir, piece.FileRestored), &mark)
	return mark, piece.IgnoreMissing(err)
}

// removeLeftovers removes from a folder what a process was building or removing when it
// died.
func (h home) removeLeftovers(dir, prefix string) error {
	names, err := h.disk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !piece.IsLeftover(name) || !strings.HasPrefix(name, prefix) {
			continue
		}
		h.log.Info("removing leftover", "name", name)
		if err := h.disk.RemoveAll(h.disk.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("remove leftover %s: %w", name, err)
		}
	}
	return nil
}
