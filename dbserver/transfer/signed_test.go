package transfer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/repository"
	"stasis/internal/apierror"
)

func keyPair(t testing.TB) (certificate.PublicKey, ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return certificate.PublicKey(public), private
}

// signedBackup makes a backup with the certificate of a good one, signed.
func signedBackup(t testing.TB, id string, private ed25519.PrivateKey, shops ...*shop) {
	t.Helper()
	ctx, nonce := t.Context(), "nonce-of-"+id
	c := &certificate.Certificate{
		Format: certificate.Format, ID: id, Nonce: nonce, Servers: map[string]certificate.ServerEvidence{},
		Instant: certificate.Instant{LockMode: certificate.LockModeGates, From: 2, To: 3},
	}
	for _, s := range shops {
		require.NoError(t, s.store.Attempts.Prepare(ctx, s.e, id, nonce))
		_, err := s.store.Attempts.Cut(ctx, s.e, id, nonce)
		require.NoError(t, err)
		p, err := s.store.Attempts.Link(ctx, dbclient.LinkRequest{
			ID: id, Nonce: nonce, DateTime: "2026-11-22T12:00:00Z", Label: "x", NrDBServers: len(shops),
			AgencyDump: json.RawMessage(`{"clusterId":"c","index":7,"term":1,"dump":[{"arango":{"Plan":{"DBServers":{}}}}]}`),
		})
		require.NoError(t, err)
		c.Servers[s.id] = certificate.ServerEvidence{
			LockAsked: 1, Granted: 1.5, CutAsked: 2.1, CutDone: 2.2, ReleaseAsked: 3, Gate: certificate.Gate{Unbroken: true, HeldSeconds: 2},
			Piece: certificate.PieceEvidence{SizeInBytes: p.SizeInBytes, NrFiles: p.NrFiles, ManifestSHA256: p.ManifestSHA256, AgencyDumpSHA256: p.AgencyDumpSHA256},
		}
	}
	raw, err := c.Sign(private)
	require.NoError(t, err)
	for _, s := range shops {
		require.NoError(t, s.store.Attempts.Seal(ctx, dbclient.SealRequest{ID: id, Nonce: nonce, Certificate: raw}))
		require.NoError(t, s.store.Attempts.Publish(ctx, id, nonce))
	}
}

// forger changes what is at a remote so that all of it agrees, except for what it cannot sign.
type forger struct {
	t  testing.TB
	at *remotetest.Memory
	id string
}

func (f forger) object(name string) map[string]any {
	f.t.Helper()
	var v map[string]any
	require.NoError(f.t, json.Unmarshal(f.at.Objects()[name], &v), name)
	return v
}

func (f forger) put(name string, data []byte) {
	f.t.Helper()
	require.NoError(f.t, f.at.Remote().Put(f.t.Context(), name, int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }))
}

func hashed(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// content is a file of a piece.
func (f forger) content(server, file string) []byte {
	f.t.Helper()
	for _, entry := range f.object(f.id + "/" + server + "/PIECE.json")["files"].([]any) {
		if e := entry.(map[string]any); e["name"] == file {
			return f.at.Objects()[repository.BlobName(e["sha256"].(string))]
		}
	}
	f.t.Fatalf("no file %s", file)
	return nil
}

// replace gives a piece another content of a file, and has the manifests at the remote agree.
func (f forger) replace(server, file string, data []byte) {
	f.t.Helper()
	name := f.id + "/" + server + "/PIECE.json"
	p := f.object(name)
	for _, entry := range p["files"].([]any) {
		if e := entry.(map[string]any); e["name"] == file {
			e["size"], e["sha256"] = len(data), hashed(data)
		}
	}
	f.put(repository.BlobName(hashed(data)), data)
	raw, err := json.MarshalIndent(p, "", " ")
	require.NoError(f.t, err)
	f.put(name, raw)
	b := f.object(f.id + "/BACKUP.json")
	b["pieces"].(map[string]any)[server].(map[string]any)["sha256"] = hashed(raw)
	raw, err = json.MarshalIndent(b, "", " ")
	require.NoError(f.t, err)
	f.put(f.id+"/BACKUP.json", raw)
}

// engine changes a table, and has manifest and META of the piece agree. It returns the hash of the
// manifest.
func (f forger) engine(server string) string {
	f.t.Helper()
	var manifest map[string]any
	require.NoError(f.t, json.Unmarshal(f.content(server, "MANIFEST.json"), &manifest))
	files := manifest["files"].([]any)
	i := slices.IndexFunc(files, func(e any) bool { return strings.HasSuffix(e.(map[string]any)["name"].(string), ".sst") })
	require.GreaterOrEqual(f.t, i, 0)
	e := files[i].(map[string]any)
	table := slices.Clone(f.content(server, "engine/"+e["name"].(string)))
	table[len(table)/2] ^= 1
	e["sha256"] = hashed(table)
	f.replace(server, "engine/"+e["name"].(string), table)
	raw, err := json.Marshal(manifest)
	require.NoError(f.t, err)
	f.replace(server, "MANIFEST.json", raw)
	var meta map[string]any
	require.NoError(f.t, json.Unmarshal(f.content(server, "META"), &meta))
	meta["manifestSha256"] = hashed(raw)
	metaRaw, err := json.Marshal(meta)
	require.NoError(f.t, err)
	f.replace(server, "META", metaRaw)
	return hashed(raw)
}

// call gives a piece another kind, everywhere.
func (f forger) call(server, kind string) {
	f.t.Helper()
	var meta map[string]any
	require.NoError(f.t, json.Unmarshal(f.content(server, "META"), &meta))
	meta["kind"] = kind
	raw, err := json.Marshal(meta)
	require.NoError(f.t, err)
	f.replace(server, "META", raw)
}

// certify changes the certificate in all pieces.
func (f forger) certify(servers []string, change func(c *certificate.Certificate) json.RawMessage) {
	f.t.Helper()
	for _, server := range servers {
		c, err := certificate.Parse(f.content(server, "CERTIFICATE.json"))
		require.NoError(f.t, err)
		f.replace(server, "CERTIFICATE.json", change(c))
	}
}

// A remote that was forged as a whole is recognised by the key of the cluster that was lost: its
// manifests, hashes and files agree, and the signature does not. Nothing of it is published.
func TestForgedRemote(t *testing.T) {
	public, private := keyPair(t)
	otherPublic, otherPrivate := keyPair(t)
	servers := []string{"PRMR-a", "PRMR-b"}
	evidence := func(c *certificate.Certificate, manifest string) {
		e := c.Servers["PRMR-a"]
		e.Piece.ManifestSHA256 = manifest
		c.Servers["PRMR-a"] = e
	}
	encoded := func(c *certificate.Certificate) json.RawMessage {
		raw, err := c.Encode()
		require.NoError(t, err)
		return raw
	}
	for name, c := range map[string]struct {
		forge   func(f forger)
		lax     string // what a download without keys of the request says, by the cluster's
		strict  string // and one with the key
		atPiece bool   // only the forged piece shows it while it is fetched
	}{
		"nothing is forged": {func(forger) {}, "", "", false},
		"the content":       {func(f forger) { f.engine("PRMR-a") }, "is not the one that was signed", "is not the one that was signed", true},
		"called a failsafe": {func(f forger) {
			f.engine("PRMR-a")
			f.call("PRMR-a", certificate.Failsafe)
			f.call("PRMR-b", certificate.Failsafe)
		}, "is not the one that was signed", "is not the one that was signed", true},
		"content and certificate": {func(f forger) {
			manifest := f.engine("PRMR-a")
			f.certify(servers, func(c *certificate.Certificate) json.RawMessage { evidence(c, manifest); return encoded(c) })
		}, "signature of the certificate does not hold", "signature of the certificate does not hold", false},
		"signed by the forger": {func(f forger) {
			manifest := f.engine("PRMR-a")
			f.certify(servers, func(c *certificate.Certificate) json.RawMessage {
				evidence(c, manifest)
				raw, err := c.Sign(otherPrivate)
				require.NoError(t, err)
				return raw
			})
		}, "", "signed with another key", false},
		"made unsigned": {func(f forger) {
			f.certify(servers, func(c *certificate.Certificate) json.RawMessage {
				c.SigningKey, c.Signature = "", ""
				return encoded(c)
			})
		}, "", "not signed", false},
		"the piece of another server": {func(f forger) {
			for _, file := range []string{"META", "MANIFEST.json"} {
				f.replace("PRMR-a", file, f.content("PRMR-b", file))
			}
		}, "META is of backup", "META is of backup", true},
	} {
		t.Run(name, func(t *testing.T) {
			m := remotetest.NewMemory()
			a, b := newShop(t, "PRMR-a"), newShop(t, "PRMR-b")
			a.put(200, 2000)
			b.put(200, 2000)
			signedBackup(t, first, private, a, b)
			upload(t, m, first, a, b)
			c.forge(forger{t, m, first})
			for _, trust := range []certificate.Trust{{Keys: []certificate.PublicKey{public}}, {Keys: []certificate.PublicKey{public}, Strict: true}} {
				want := c.lax
				if trust.Strict {
					want = c.strict
				}
				v, err := transfer.NewRepository(m.Remote(), brisk).VerifyTrusting(t.Context(), first, trust)
				require.NoError(t, err)
				require.Len(t, v.Backups, 1)
				require.Equal(t, want == "", len(v.Problems) == 0, "a forged remote is intact: %v", v.Problems)
				down := emptyShop(t, vfs.NewMem(), "PRMR-c")
				err = transfer.NewMover(m.Remote(), down.store, brisk).Trusting(trust).Download(context.Background(), first, "PRMR-a")
				if want == "" {
					require.NoError(t, err)
					require.Equal(t, []string{first}, down.listed())
					continue
				}
				require.ErrorContains(t, err, want, "a forged piece is published")
				require.Empty(t, down.listed())
				if !c.atPiece {
					require.ErrorIs(t, err, apierror.BackupDownload)
					require.Equal(t, []string{"ATTEMPT", "CERTIFICATE.json", "engine"}, arrived(down), "what a refused certificate vouches for is not fetched")
				}
			}
			if name == "nothing is forged" {
				v, err := transfer.NewRepository(m.Remote(), brisk).VerifyTrusting(t.Context(), first, certificate.Trust{Keys: []certificate.PublicKey{otherPublic}, Strict: true})
				require.NoError(t, err)
				require.NotEmpty(t, v.Problems, "another key")
				require.Equal(t, &certificate.Signature{Key: public.ID(), Status: certificate.UnknownKey}, v.Backups[0].Signature)
			}
		})
	}
}

// arrived are the names in the folder of the only piece, which is pending.
func arrived(s *shop) []string {
	s.t.Helper()
	left := s.leftovers()
	require.Len(s.t, left, 1)
	names, err := s.fs.List("data/backups/" + left[0])
	require.NoError(s.t, err)
	return slices.Sorted(slices.Values(names))
}

// A piece that is here already is judged like one that arrives.
func TestPieceThatIsHereIsJudged(t *testing.T) {
	public, private := keyPair(t)
	other, _ := keyPair(t)
	m, a := remotetest.NewMemory(), newShop(t, "PRMR-a")
	a.put(50, 200)
	signedBackup(t, first, private, a)
	upload(t, m, first, a)
	for key, good := range map[certificate.PublicKey]bool{public: true, other: false} {
		trust := certificate.Trust{Keys: []certificate.PublicKey{key}, Strict: true}
		err := transfer.NewMover(m.Remote(), a.store, brisk).Trusting(trust).Download(t.Context(), first, "PRMR-a")
		require.Equal(t, good, err == nil, "%v", err)
	}
	require.NotEmpty(t, slices.Collect(maps.Keys(m.Objects())))
}
