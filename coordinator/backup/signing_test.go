package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/internal/apierror"
	"stasis/internal/signingkey"
)

func withKey(k *signingkey.Key) func(*Options) { return func(d *Options) { d.SigningKey = k } }

func withLog(out *bytes.Buffer) func(*Options) {
	return func(d *Options) { d.Logger = hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Trace}) }
}

func newKey(t require.TestingT) (*signingkey.Key, certificate.PublicKey) {
	k, err := signingkey.New()
	require.NoError(t, err)
	return k, certificate.PublicKey(k.Public().(ed25519.PublicKey))
}

// started lets a service enroll its key, and ends it.
func started(s *Service) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = s.Run(ctx) // ends with ctx
}

// The first coordinator records its key, and backups are signed with it from then on. Every
// coordinator finds that they are the cluster's.
func TestBackupsAreSigned(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		_, other := newKey(t)
		started(w.service(coordinatorA, withKey(key)))
		var stored keys.SigningKey
		require.NoError(t, w.agency.root().At(keys.HotBackupKey(public.ID())).Decode(&stored))
		require.Equal(t, public.String(), stored.Public)
		require.Equal(t, coordinatorA, stored.Coordinator)
		r, err := w.service(coordinatorB, withKey(key)).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, public.ID(), r.SigningKey, "a backup is not signed")
		signed := &certificate.Signature{Key: public.ID(), Status: certificate.Signed}
		for name, trusted := range map[string][]certificate.PublicKey{"its own": nil, "named": {public}, "two": {other, public}} {
			v, err := w.service(coordinatorA).Verify(context.Background(), r.ID, trusted...)
			require.NoError(t, err)
			require.Empty(t, v.Problems, name)
			require.Equal(t, signed, v.Signature, name)
		}
		v, err := w.service(coordinatorA).Verify(context.Background(), r.ID, other)
		require.NoError(t, err)
		require.False(t, v.Intact, "a backup is intact that the named key has not signed")
		require.Contains(t, strings.Join(v.Problems, "\n"), "none of "+other.ID())
		_, err = w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: r.ID, Keys: []certificate.PublicKey{other}})
		require.ErrorIs(t, err, apierror.BackupRestore)
		restored, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: r.ID, Keys: []certificate.PublicKey{public}})
		require.NoError(t, err)
		require.Equal(t, signed, restored.Signature)
	})
}

// A backup without a signature is verified and restored as ever, and is said to be unsigned. A
// named key refuses it. The failsafe of a restore is such a backup.
func TestUnsignedBackups(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		_, public := newKey(t)
		r := w.create("plain")
		require.Empty(t, r.SigningKey)
		unsigned := &certificate.Signature{Status: certificate.Unsigned}
		v, err := w.service(coordinatorA).Verify(context.Background(), r.ID)
		require.NoError(t, err)
		require.True(t, v.Intact)
		require.Equal(t, unsigned, v.Signature)
		restored, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: r.ID})
		require.NoError(t, err)
		require.Equal(t, unsigned, restored.Signature)
		for _, id := range []string{r.ID, restored.Previous} {
			v, err = w.service(coordinatorA).Verify(context.Background(), id, public)
			require.NoError(t, err)
			require.False(t, v.Intact)
			require.Contains(t, strings.Join(v.Problems, "\n"), certificate.ErrUnsigned.Error())
			_, err = w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id, Keys: []certificate.PublicKey{public}})
			require.ErrorContains(t, err, certificate.ErrUnsigned.Error())
		}
	})
}

// forgetRecord makes a backup what one that was downloaded is: the agency has no record of it.
func (w *world) forgetRecord(id string) {
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCommit(id): agencyclient.Delete()}})
}

// forge changes certificates in the pieces as change says.
func (w *world) forge(id string, change func(server string, c *certificate.Certificate, raw json.RawMessage) json.RawMessage) {
	for server, s := range w.servers {
		s.mu.Lock()
		p := s.pieces[id]
		c, err := certificate.Parse(p.cert)
		require.NoError(w.t, err)
		p.cert = change(server, c, p.cert)
		s.mu.Unlock()
	}
}

// A forged backup is not restored, whatever the agency knows of it: not by the cluster that
// signed it, and not in a new one to which the key is given.
func TestForgedBackupIsNotRestored(t *testing.T) {
	for name, forge := range map[string]func(server string, c *certificate.Certificate, raw json.RawMessage) json.RawMessage{
		"encoded again": func(_ string, c *certificate.Certificate, _ json.RawMessage) json.RawMessage {
			c.Coordinator = "CRDN-forged"
			raw, err := c.Encode()
			require.NoError(t, err)
			return raw
		},
		"signature taken away": func(_ string, c *certificate.Certificate, _ json.RawMessage) json.RawMessage {
			c.Signature = ""
			raw, err := c.Encode()
			require.NoError(t, err)
			return raw
		},
		"a member twice in one": func(server string, _ *certificate.Certificate, raw json.RawMessage) json.RawMessage {
			if server == "PRMR-3" { // it has the same canonical hash as the others
				return append([]byte(`{"servers":{},`), raw[1:]...)
			}
			return raw
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				key, public := newKey(t)
				r, err := w.service(coordinatorA, withKey(key)).Create(context.Background(), CreateRequest{})
				require.NoError(t, err)
				w.forgetRecord(r.ID)
				w.forge(r.ID, forge)
				for _, trusted := range [][]certificate.PublicKey{nil, {public}} {
					v, err := w.service(coordinatorB).Verify(context.Background(), r.ID, trusted...)
					require.NoError(t, err)
					require.Equal(t, certificate.Forged, v.Signature.Status)
					require.False(t, v.Intact)
					_, err = w.service(coordinatorB).Restore(context.Background(), RestoreRequest{ID: r.ID, Keys: trusted})
					require.ErrorContains(t, err, certificate.ErrForged.Error(), "a forged backup is restored")
				}
			})
		})
	}
}

// Forged pieces that are called a failsafe, and carry the genuine certificate, are what that
// certificate was not made for. Its signature does not vouch for them.
func TestForgedFailsafeIsNotRestored(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		r, err := w.service(coordinatorA, withKey(key)).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		w.forgetRecord(r.ID)
		for _, s := range w.servers {
			s.mu.Lock()
			s.pieces[r.ID].meta.Kind, s.pieces[r.ID].meta.ManifestSHA256 = certificate.Failsafe, "forged"
			s.mu.Unlock()
		}
		for _, trusted := range [][]certificate.PublicKey{nil, {public}} {
			v, err := w.service(coordinatorB).Verify(context.Background(), r.ID, trusted...)
			require.NoError(t, err)
			require.False(t, v.Intact, "a genuine certificate vouches for forged pieces")
			require.Contains(t, strings.Join(v.Problems, "\n"), "the manifest is not the one that was certified")
			_, err = w.service(coordinatorB).Restore(context.Background(), RestoreRequest{ID: r.ID, Keys: trusted})
			require.ErrorContains(t, err, "the manifest is not the one that was certified")
		}
	})
}

// A backup that another cluster has signed is restored, with a note. If the request names a key, it
// is not.
func TestBackupOfAnotherCluster(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		r, err := w.service(coordinatorA, withKey(key)).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		mine, myPublic := newKey(t)
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupKeys: agencyclient.Delete()}})
		started(w.service(coordinatorA, withKey(mine)))
		_, err = w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: r.ID, Keys: []certificate.PublicKey{myPublic}})
		require.ErrorContains(t, err, "signed with another key")
		log := &bytes.Buffer{}
		restored, err := w.service(coordinatorA, withLog(log)).Restore(context.Background(), RestoreRequest{ID: r.ID})
		require.NoError(t, err)
		require.Equal(t, &certificate.Signature{Key: public.ID(), Status: certificate.UnknownKey}, restored.Signature)
		require.Contains(t, log.String(), "not known to be of this cluster")
	})
}

// A coordinator with another key than the cluster's, or without one, says so when it starts, and
// makes no backup. A second key is accepted on request, and an old one retired.
func TestCoordinatorsWithDifferentKeys(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		next, nextPublic := newKey(t)
		log := &bytes.Buffer{}
		first := w.service(coordinatorA, withKey(key))
		started(first)
		for name, c := range map[string]struct {
			key  func(*Options)
			says []string
		}{
			"another": {withKey(next), []string{coordinatorB, nextPublic.ID(), public.ID(), "stasis key accept"}},
			"none":    {withKey(nil), []string{coordinatorB, public.ID(), "--backup.signing-key"}},
		} {
			log.Reset()
			started(w.service(coordinatorB, c.key, withLog(log)))
			_, err := w.service(coordinatorB, c.key).Create(context.Background(), CreateRequest{})
			require.ErrorIs(t, err, apierror.BackupCreate, "a backup is made that is not signed with the cluster's key")
			for _, text := range c.says {
				require.ErrorContains(t, err, text, name)
				require.Contains(t, log.String(), text, name)
			}
			w.requireClean(name)
		}
		require.ErrorIs(t, first.signer.Retire(context.Background(), public.ID()), apierror.BackupConflict)
		require.ErrorIs(t, first.signer.Retire(context.Background(), "x"), apierror.NotFound)
		require.NoError(t, first.signer.Accept(context.Background(), nextPublic))
		require.NoError(t, first.signer.Accept(context.Background(), nextPublic), "again is harmless")
		ids := []string{}
		for _, k := range []*signingkey.Key{key, next} {
			r, err := w.service(coordinatorB, withKey(k)).Create(context.Background(), CreateRequest{})
			require.NoError(t, err)
			ids = append(ids, r.ID)
		}
		require.NoError(t, first.signer.Retire(context.Background(), public.ID()))
		for i, status := range []string{certificate.UnknownKey, certificate.Signed} {
			v, err := w.service(coordinatorA).Verify(context.Background(), ids[i])
			require.NoError(t, err)
			require.True(t, v.Intact)
			require.Equal(t, status, v.Signature.Status)
		}
		found, err := w.service(coordinatorB, withKey(next)).signer.Keys(context.Background())
		require.NoError(t, err)
		require.Equal(t, nextPublic.ID(), found.Signer)
		require.Len(t, found.Keys, 1)
	})
}

// An agency that was recovered from a state without keys gets the key again with the next backup.
func TestKeyIsRecordedAgain(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		started(w.service(coordinatorA, withKey(key)))
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupKeys: agencyclient.Delete()}})
		r, err := w.service(coordinatorB, withKey(key)).Create(context.Background(), CreateRequest{})
		require.NoError(t, err)
		require.Equal(t, public.ID(), r.SigningKey)
		require.True(t, w.agency.root().At(keys.HotBackupKey(public.ID())).Exists())
	})
}

// Two coordinators with different keys that start at once agree on one of them, also when answers
// are lost.
func TestKeysAreEnrolledOnce(t *testing.T) {
	for _, how := range []mode{refused, lost, vanished} {
		inWorld(t, threeServers, func(w *world) {
			one, _ := newKey(t)
			two, _ := newKey(t)
			w.faults.next, w.faults.mode = "agency write", how
			ends := make(chan struct{})
			go func() { defer close(ends); started(w.service(coordinatorA, withKey(one))) }()
			started(w.service(coordinatorB, withKey(two)))
			<-ends
			require.Equal(t, "agency write", w.faults.fired)
			require.Equal(t, 1, w.agency.root().At(keys.HotBackupKeys).Len(), "%v: the cluster has adopted two keys", how)
		})
	}
}

// The commands of keys, as they are sent. Nothing of a body is in an answer: a private key may have
// been sent by mistake.
func TestKeysOverHTTP(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		key, public := newKey(t)
		_, next := newKey(t)
		s := w.service(coordinatorA, withKey(key))
		started(s)
		send := func(command, body string) (int, string) {
			answer := httptest.NewRecorder()
			s.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, pathPrefix+"/"+command, strings.NewReader(body)))
			return answer.Code, answer.Body.String()
		}
		status, text := send("keys", "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, text, `"public":"`+public.String()+`"`)
		require.Contains(t, text, `"signer":"`+public.ID()+`"`)
		status, _ = send("keys", fmt.Sprintf(`{"accept":%q}`, next))
		require.Equal(t, http.StatusOK, status)
		status, _ = send("keys", fmt.Sprintf(`{"retire":%q}`, public.ID()))
		require.Equal(t, http.StatusOK, status)
		_, text = send("keys", "{}")
		require.NotContains(t, text, public.String())
		r, err := w.service(coordinatorB).Create(context.Background(), CreateRequest{})
		require.ErrorContains(t, err, next.ID())
		require.Empty(t, r.ID)
		for _, body := range []string{`{"id":"x","key":"SECRET"}`, `{"id":"x","key":["SECRET"]}`, `{"id":"x","key":[]}`, `{"id":"x","key":7}`} {
			for _, command := range []string{"verify", "restore"} {
				status, text = send(command, body)
				require.Equal(t, http.StatusBadRequest, status)
				require.Contains(t, text, "64 hexadecimal digits", body)
				require.NotContains(t, text, "SECRET")
			}
		}
		for _, body := range []string{`{"accept":"SECRET"}`, fmt.Sprintf(`{"accept":[%q,%q]}`, public, next), fmt.Sprintf(`{"accept":%q,"retire":"x"}`, public)} {
			status, text = send("keys", body)
			require.Equal(t, http.StatusBadRequest, status)
			require.NotContains(t, text, "SECRET")
		}
	})
}
