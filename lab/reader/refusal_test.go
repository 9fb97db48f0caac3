package reader

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/dbserver/backup/piece"
)

func write(t *testing.T, p Piece, name string, data []byte) {
	t.Helper()
	f, err := p.FS.Create(at(p).PathOf(name), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(slices.Clone(data))
	require.NoError(t, errors.Join(err, f.Close()))
}

func readFile(t *testing.T, p Piece, name string) []byte {
	t.Helper()
	f, err := p.FS.Open(at(p).PathOf(name))
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, errors.Join(err, f.Close()))
	return data
}

// flip changes a byte in the middle of the largest engine file whose name ends so.
func flip(t *testing.T, p Piece, suffix string) {
	t.Helper()
	names, err := p.FS.List(at(p).EngineDir())
	require.NoError(t, err)
	largest, data := "", []byte(nil)
	for _, name := range names {
		if found := readFile(t, p, "engine/"+name); strings.HasSuffix(name, suffix) && len(found) > len(data) {
			largest, data = "engine/"+name, found
		}
	}
	require.NotEmpty(t, data, names)
	data[len(data)/2] ^= 0xff
	write(t, p, largest, data)
}

// recertify changes the certificate of all pieces.
func recertify(t *testing.T, pieces []Piece, change func(*certificate.Certificate)) {
	t.Helper()
	cert, err := certificate.Parse(readFile(t, pieces[0], piece.FileCertificate))
	require.NoError(t, err)
	change(cert)
	raw, err := cert.Encode()
	require.NoError(t, err)
	for _, p := range pieces {
		write(t, p, piece.FileCertificate, raw)
	}
}

// defect is something that is wrong with pieces.
type defect struct {
	name    string
	spoil   func(t *testing.T, pieces []Piece) []Piece
	because error
	says    string // in the error
}

// defects are by the pieces of backups: one, another of the same cluster, and one of another cluster.
func defects(other, foreign []Piece) []defect {
	cut := func(name string) func(*testing.T, []Piece) []Piece {
		return func(t *testing.T, p []Piece) []Piece {
			data := readFile(t, p[1], name)
			write(t, p[1], name, data[:len(data)/2])
			return p
		}
	}
	gone := func(name string) func(*testing.T, []Piece) []Piece {
		return func(t *testing.T, p []Piece) []Piece {
			require.NoError(t, p[1].FS.RemoveAll(at(p[1]).PathOf(name)))
			return p
		}
	}
	flipped := func(suffix string) func(*testing.T, []Piece) []Piece {
		return func(t *testing.T, p []Piece) []Piece { flip(t, p[1], suffix); return p }
	}
	edited := func(name, from, to string) func(*testing.T, []Piece) []Piece {
		return func(t *testing.T, p []Piece) []Piece {
			data := string(readFile(t, p[1], name))
			require.Contains(t, data, from)
			write(t, p[1], name, []byte(strings.Replace(data, from, to, 1)))
			return p
		}
	}
	with := func(i int, all []Piece) func(*testing.T, []Piece) []Piece {
		return func(_ *testing.T, p []Piece) []Piece { p[i] = all[i]; return p }
	}
	return []defect{
		{"no piece", func(*testing.T, []Piece) []Piece { return nil }, ErrIncomplete, "no piece is given"},
		{"a piece less", func(_ *testing.T, p []Piece) []Piece { return p[1:] }, ErrIncomplete, "are missing"},
		{"a folder that is not there", func(_ *testing.T, p []Piece) []Piece { p[0].Dir += "x"; return p }, ErrIncomplete, "no such folder"},
		{"a piece twice", func(_ *testing.T, p []Piece) []Piece { return append(p, p[0]) }, ErrTwice, "are both the piece of PRMR-"},
		{"a piece twice and one missing", func(_ *testing.T, p []Piece) []Piece { p[1] = p[0]; return p }, ErrTwice, "are both the piece of PRMR-"},
		{"a piece of another backup", with(2, other), ErrMixed, "the piece is of backup "},
		{"a piece of another cluster", with(2, foreign), ErrMixed, "one is of the cluster "},
		{"a pending piece", func(t *testing.T, p []Piece) []Piece {
			require.NoError(t, p[1].FS.Rename(p[1].Dir, p[1].Dir+".pending"))
			p[1].Dir += ".pending"
			return p
		}, ErrIncomplete, "not published"},
		{"META half", cut(piece.FileMeta), ErrDamaged, "META: "},
		{"META gone", gone(piece.FileMeta), ErrDamaged, "META: "},
		{"META of another attempt", edited(piece.FileMeta, `"nonce": "`, `"nonce": "0`), ErrMixed, "made by two attempts"},
		{"META with another count", edited(piece.FileMeta, `"nrDBServers": 3`, `"nrDBServers": 4`), ErrIncomplete, "3 pieces are given, the backup has 4"},
		{"META with a lower count", edited(piece.FileMeta, `"nrDBServers": 3`, `"nrDBServers": 2`), ErrMixed, "3 pieces are given, the backup has 2"},
		{"META that calls itself a failsafe", edited(piece.FileMeta, `"kind": "hot"`, `"kind": "failsafe"`), ErrMixed, "one is "},
		{"manifest half", cut(piece.FileManifest), ErrDamaged, "MANIFEST.json differs"},
		{"manifest gone", gone(piece.FileManifest), ErrDamaged, "MANIFEST.json"},
		{"dump changed", edited(piece.FileDump, `"Version"`, `"version"`), ErrDamaged, "AGENCY-DUMP.json differs"},
		{"dump half", cut(piece.FileDump), ErrDamaged, "AGENCY-DUMP.json"},
		{"dump gone", gone(piece.FileDump), ErrDamaged, "AGENCY-DUMP.json"},
		{"certificate gone", gone(piece.FileCertificate), ErrDamaged, "CERTIFICATE.json is missing"},
		{"certificate half", cut(piece.FileCertificate), ErrDamaged, "CERTIFICATE.json"},
		{"certificate changed in one piece", edited(piece.FileCertificate, `"unbroken":true`, `"unbroken":false`), ErrMixed, "their certificates differ"},
		{"certificate that does not hold", func(t *testing.T, p []Piece) []Piece {
			recertify(t, p, func(c *certificate.Certificate) { c.Instant.LockMode = certificate.LockModeNone })
			return p
		}, ErrUnproven, ""},
		{"certificate of another Plan", func(t *testing.T, p []Piece) []Piece {
			recertify(t, p, func(c *certificate.Certificate) { c.Agency.Index++ })
			return p
		}, ErrUnproven, "is not the Plan that was certified at index"},
		{"certificate without a shard", func(t *testing.T, p []Piece) []Piece {
			recertify(t, p, func(c *certificate.Certificate) {
				for name := range c.Shards {
					delete(c.Shards, name)
					return
				}
			})
			return p
		}, ErrUnproven, "no leader has stated who was in sync"},
		{"engine gone", gone("engine"), ErrRestore, "engine"},
		{"table changed", flipped(".sst"), ErrRestore, "checksum mismatch"},
		{"engine manifest changed", flipped("MANIFEST-000001"), ErrRestore, "its content is not what was certified"},
	}
}

// Whatever is wrong with pieces is an error that says what, of a kind that programs can tell; nothing panics, and nothing is left.
func TestPiecesThatAreNoBackup(t *testing.T) {
	var foreign []Piece
	inBubble(t, func(l *lab) { // another cluster; its disks are in memory and stay
		l.fill("c", 5)
		id := l.backup("x")
		for _, p := range l.pieces(id) {
			disk := vfs.NewMem()
			_, err := vfs.Clone(p.FS, disk, p.Dir, "piece", vfs.CloneSync)
			l.must(err)
			foreign = append(foreign, Piece{disk, "piece"})
		}
	})
	inBubble(t, func(l *lab) {
		t := l.t
		l.fill("c", 60)
		id, second := l.backup("a"), l.backup("b")
		for i, p := range foreign { // it claims to be of this backup
			write(t, p, piece.FileMeta, renamed(t, readFile(t, p, piece.FileMeta), id))
			foreign[i] = p
		}
		for _, d := range defects(l.pieces(second), foreign) {
			pieces := d.spoil(t, copied(t, l.pieces(id)))
			_, err := Open(t.Context(), id, pieces)
			require.Error(t, err, d.name)
			require.ErrorContains(t, err, d.says, d.name)
			require.NotContains(t, err.Error(), "%!", d.name)
			var refusal *Refusal
			require.ErrorAs(t, err, &refusal, d.name)
			require.ErrorIs(t, err, d.because, d.name)
			require.NotEmpty(t, refusal.Problems)
		}
		r := l.open(id) // it is none of the pieces' fault
		l.must(r.Close())
	})
}

// renamed gives META another backup's id.
func renamed(t *testing.T, meta []byte, id string) []byte {
	t.Helper()
	lines := strings.Split(string(meta), "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"id":`) })
	require.NotEqual(t, -1, i)
	lines[i] = `  "id": "` + id + `",`
	return []byte(strings.Join(lines, "\n"))
}
