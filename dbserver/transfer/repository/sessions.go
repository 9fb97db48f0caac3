package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// BeginUpload opens the session of a server's upload, and waits until no prune runs.
func (r *Repository) BeginUpload(ctx context.Context, id, server string) (*Session, error) {
	s, err := r.openSession(ctx, uploadPrefix(id, server), "upload of backup "+id+" by "+server)
	if err != nil || failpoint.Off("upload-waits-for-prune") {
		return s, err
	}
	if err := r.awaitDead(ctx, sessionName(sessionPrune, ""), true); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// sessions reads the sessions whose names begin with prefix: what each last said.
func (r *Repository) sessions(ctx context.Context, prefix string) (map[string]string, error) {
	objects, err := r.remote.List(ctx, folderSessions)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found := map[string]string{}
	for _, o := range objects {
		if !strings.HasPrefix(o.Name, prefix) || len(o.Name) < 2 {
			continue
		}
		data, err := getBytes(ctx, r.remote, o.Name)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			continue // closed meanwhile
		case err != nil:
			return nil, fmt.Errorf("read session: %w", err)
		}
		name := o.Name[:len(o.Name)-2]
		found[name] += o.Name[len(o.Name)-1:] + string(data)
	}
	return found, nil
}

// awaitDead returns when there is no session whose name begins with prefix. It removes
// those that did not change for a lease. A session that changes, or appears later, is
// alive: awaitDead waits for it if insist is set, and otherwise returns
// apierror.BackupConflict with what the session is about.
func (r *Repository) awaitDead(ctx context.Context, prefix string, insist bool) error {
	seen := map[string]string{}
	since := map[string]time.Time{}
	for first := true; ; first = false {
		now := time.Now()
		found, err := r.sessions(ctx, prefix)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			content := found[name]
			was, known := seen[name]
			if !insist && !first && (!known || was != content) {
				return apierror.New(apierror.BackupConflict, "the remote is in use: %s", aboutOf(content))
			}
			if was != content || !known {
				seen[name], since[name] = content, now
				continue
			}
			if now.Sub(since[name]) >= r.lease {
				if err := errors.Join(r.remote.Remove(ctx, name+".0"), r.remote.Remove(ctx, name+".1")); err != nil {
					return fmt.Errorf("remove dead session: %w", err)
				}
				delete(found, name)
			}
		}
		if len(found) == 0 {
			return nil
		}
		if err := wait.For(ctx, r.lease/12); err != nil {
			return err
		}
	}
}

// aboutOf returns the words in what sessions collected.
func aboutOf(content string) string {
	if i := strings.IndexByte(content, '{'); i >= 0 {
		var f sessionFile
		if json.NewDecoder(strings.NewReader(content[i:])).Decode(&f) == nil && f.About != "" {
			return f.About
		}
	}
	return "by a process that does not say what it does"
}
