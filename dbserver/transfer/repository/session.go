package repository

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"stasis/dbserver/transfer/storage"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// Kinds of sessions.
const (
	sessionUpload = "upload"
	sessionPrune  = "prune"
)

// Session says at the remote that an upload or a prune runs.
//
// Sessions ensure that no prune removes a blob that an upload counts on. They need only a
// store that shows a later reader what was written:
//
//   - An upload opens its session U, then waits until no prune's session is there, and
//     only then looks which blobs are there. It closes U after it has written its
//     manifest.
//   - A prune opens its session P, then gives up if an upload's session is there, and
//     only then lists manifests and afterwards removes blobs.
//
// Both write before they look, so at least one sees the other. If the prune did not see
// U, there are two cases. U was opened later: then the upload sees P, and waits until the
// prune is over before it looks at any blob. Or U was closed before: then the manifest is
// there, and the prune lists it.
//
// A process that dies leaves its session. A process that waits for the session watches
// it, and removes it when it has not changed for a lease on the watcher's own clock. A
// session is renewed three times in that time. A holder that merely slept must notice
// that its session may have been removed: a renewal that ended a lease or more after the
// one before it began marks the session as lost, since between the two it may have looked
// unchanged for a lease. If all renewals were in time, no watcher can have removed it. An
// upload confirms that with a last renewal after its manifest is written; one that lost
// its session starts again and looks at every blob again. A prune renews before it
// removes, and removes only within half a lease of that.
//
// What remains is a remote that carries out a removal more than half a lease after the
// prune has given it up for lost. Uploads therefore look once more, after their manifest
// is written, whether the blobs that they did not send are there.
//
// A renewal must not make the session vanish for a moment, as replacing an object does on
// some remotes. A session therefore has two objects, which are written in turn.
type Session struct {
	remote storage.Remote
	lease  time.Duration
	prefix string // of its two objects
	nonce  string
	about  string // for people

	renewal chan struct{} // held by the renewal that runs; guards what follows
	turn    int
	began   time.Time // of the last renewal that succeeded
	lost    bool

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

// uploadPrefix begins the names of all sessions that upload a piece of a backup; of one
// server, if it is named.
func uploadPrefix(id, server string) string {
	if server == "" {
		return sessionName(sessionUpload, short(id)) + "."
	}
	return sessionName(sessionUpload, short(id)+"."+short(server)) + "."
}

// openSession writes a session and keeps it alive until it is closed.
func (r *Repository) openSession(ctx context.Context, prefix, about string) (*Session, error) {
	s := &Session{remote: r.remote, lease: r.lease, nonce: newNonce(), about: about, renewal: make(chan struct{}, 1)}
	s.prefix = prefix + s.nonce + "."
	if _, err := s.renew(ctx); err != nil {
		return nil, fmt.Errorf("write session: %w", err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() {
		for wait.For(renewing, s.lease/3) == nil {
			_, _ = s.renew(renewing) // the next renewal tells whether it was too late
		}
	})
	return s, nil
}

// renew writes the session's other object. lost says whether the session may have been
// removed since it was opened.
func (s *Session) renew(ctx context.Context) (lost bool, err error) {
	select {
	case s.renewal <- struct{}{}:
		defer func() { <-s.renewal }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	data, err := json.Marshal(sessionFile{Nonce: s.nonce, Beat: s.turn, About: s.about})
	if err != nil {
		return false, err
	}
	start := time.Now()
	if err := putBytes(ctx, s.remote, s.prefix+strconv.Itoa(s.turn%2), data); err != nil {
		return false, err
	}
	if s.turn > 0 && time.Since(s.began) >= s.lease {
		s.lost = true
	}
	s.began = start
	s.turn++
	return s.lost, nil
}

// ErrSessionLost is returned when another process may have taken the session for dead.
var ErrSessionLost = errors.New("the session at the remote was not renewed in time")

// Confirm renews the session and says whether it has been there all the time.
func (s *Session) Confirm(ctx context.Context) error {
	lost, err := s.renew(ctx)
	if err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	if lost && !failpoint.Off("lost-session-is-told") {
		return ErrSessionLost
	}
	return nil
}

// Close ends the session; it may be called again. An object that cannot be removed is
// left for others to find dead.
func (s *Session) Close(ctx context.Context) {
	s.stop()
	s.done.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lease/2)
	defer cancel()
	for i := range 2 {
		_ = s.remote.Remove(ctx, s.prefix+strconv.Itoa(i)) // see above
	}
}
