package transfer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Kinds of sessions.
const (
	sessionUpload = "upload"
	sessionPrune  = "prune"
)

// session says at the remote that an upload or a prune is under way.
//
// Why no prune removes a blob that an upload counts on, with nothing but a store
// that shows what was written to whoever reads later:
//
//   - An upload opens its session U, then waits until no prune's session is there,
//     and only then looks which blobs are there. It closes U after its manifest is
//     written.
//   - A prune opens its session P, then gives up if an upload's session is there,
//     and only then lists manifests and afterwards removes blobs.
//
// Both write before they look, so not both can miss the other. If the prune did not
// see U, either U was opened later: then the upload sees P, and waits until the prune
// is over before it looks at any blob. Or U was closed before: then the manifest is
// there, and the prune lists it.
//
// A process that dies leaves its session. Whoever waits for it watches it, and takes
// it away when it has not changed for Timing.Lease on his own clock. A session is
// renewed three times in that time. So that a holder which merely slept notices: a
// renewal that ended a lease or more after the one before it began says that the
// session may have been taken away (lost), since between the two it may have looked
// unchanged for a lease. If all renewals were in time nobody can have taken it. An
// upload confirms that after its manifest is written, with a last renewal; one that
// lost its session begins anew and looks at every blob again. A prune renews before
// it removes, and removes only within half a lease of that.
//
// What remains is a remote that carries out a removal more than half a lease after
// the prune has given it up for lost. Uploads look once more, after their manifest
// was written, whether the blobs that they did not send are there.
//
// A renewal must not make the session vanish for a moment, as replacing an object
// does on some remotes. So a session has two objects, written in turn.
type session struct {
	remote Remote
	lease  time.Duration
	prefix string // of its two objects
	nonce  string
	about  string // for people

	mu    sync.Mutex
	turn  int
	began time.Time // of the last renewal that succeeded
	lost  bool

	stop context.CancelFunc
	done sync.WaitGroup
}

// sessionFile is what a session's objects say.
type sessionFile struct {
	Nonce string `json:"nonce"`
	Beat  int    `json:"beat"`
	About string `json:"about"`
}

// short is a part of a session's name.
func short(s string) string { return sumOf([]byte(s))[:16] }

func newNonce() string {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // never fails; it ends the program instead
	return hex.EncodeToString(bits[:])
}

// uploadPrefix begins the names of all sessions that upload a piece of a backup; of
// one server, if it is named.
func uploadPrefix(id, server string) string {
	if server == "" {
		return sessionName(sessionUpload, short(id)) + "."
	}
	return sessionName(sessionUpload, short(id)+"."+short(server)) + "."
}

// openSession writes a session and keeps it alive until it is closed.
func openSession(ctx context.Context, r Remote, lease time.Duration, prefix, about string) (*session, error) {
	s := &session{remote: r, lease: lease, nonce: newNonce(), about: about}
	s.prefix = prefix + s.nonce + "."
	if err := s.renew(ctx); err != nil {
		return nil, fmt.Errorf("write session: %w", err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() {
		for pause(renewing, lease/3) == nil {
			_ = s.renew(renewing) // the next renewal tells whether it was too late
		}
	})
	return s, nil
}

// renew writes the session's other object.
func (s *session) renew(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := json.Marshal(sessionFile{Nonce: s.nonce, Beat: s.turn, About: s.about})
	if err != nil {
		return err
	}
	start := time.Now()
	if err := putBytes(ctx, s.remote, s.prefix+strconv.Itoa(s.turn%2), data); err != nil {
		return err
	}
	if s.turn > 0 && time.Since(s.began) >= s.lease {
		s.lost = true
	}
	s.began = start
	s.turn++
	return nil
}

// errSessionLost: somebody may have taken the session for dead.
var errSessionLost = errors.New("the session at the remote was not renewed in time")

// confirm renews the session and says whether it has been there all the time.
func (s *session) confirm(ctx context.Context) error {
	if err := s.renew(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost && !failpoint.Off("lost-session-is-told") {
		return errSessionLost
	}
	return nil
}

// close ends the session; it may be called again. An object that cannot be removed
// is left for others to find dead.
func (s *session) close(ctx context.Context) {
	s.stop()
	s.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lease/2)
	defer cancel()
	for i := range 2 {
		_ = s.remote.Remove(ctx, s.prefix+strconv.Itoa(i)) // see above
	}
}

// sessions reads the sessions whose names begin so: what each last said.
func sessions(ctx context.Context, r Remote, prefix string) (map[string]string, error) {
	objects, err := r.List(ctx, folderSessions)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found := map[string]string{}
	for _, o := range objects {
		if !strings.HasPrefix(o.Name, prefix) || len(o.Name) < 2 {
			continue
		}
		data, err := getBytes(ctx, r, o.Name)
		switch {
		case errors.Is(err, ErrNotFound):
			continue // closed meanwhile
		case err != nil:
			return nil, fmt.Errorf("read session: %w", err)
		}
		name := o.Name[:len(o.Name)-2]
		found[name] += o.Name[len(o.Name)-1:] + string(data)
	}
	return found, nil
}

// awaitDead returns when there is no session whose name begins so, having taken
// away those that did not change for a lease. When one changes, or another appears,
// it is alive: then it is an error that names it (insist false), or is waited for.
func awaitDead(ctx context.Context, r Remote, lease time.Duration, prefix string, insist bool) error {
	seen := map[string]string{}
	since := map[string]time.Time{}
	for first := true; ; first = false {
		now := time.Now()
		found, err := sessions(ctx, r, prefix)
		if err != nil {
			return err
		}
		for name, content := range found {
			was, known := seen[name]
			if !insist && !first && (!known || was != content) {
				return apierror.New(apierror.BackupConflict, "the remote is in use: %s", aboutOf(content))
			}
			if was != content || !known {
				seen[name], since[name] = content, now
				continue
			}
			if now.Sub(since[name]) >= lease {
				if err := errors.Join(r.Remove(ctx, name+".0"), r.Remove(ctx, name+".1")); err != nil {
					return fmt.Errorf("remove dead session: %w", err)
				}
				delete(found, name)
			}
		}
		if len(found) == 0 {
			return nil
		}
		if err := pause(ctx, lease/12); err != nil {
			return err
		}
	}
}

// aboutOf takes the words out of what sessions collected.
func aboutOf(content string) string {
	if i := strings.IndexByte(content, '{'); i >= 0 {
		var f sessionFile
		if json.NewDecoder(strings.NewReader(content[i:])).Decode(&f) == nil && f.About != "" {
			return f.About
		}
	}
	return "by somebody unnamed"
}
