package backup

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
)

// follower puts a replica into the engine, whose log has that many records of tenure 3.1;
// some are applied.
func (s *server) follower(name string, records, applied int) {
	s.t.Helper()
	r, err := shard.Create(shard.Env{Engine: s.e}, name)
	require.NoError(s.t, err)
	var batch []shard.Record
	for i := range records {
		key, time := fmt.Sprint("k", i), uint64(i+1)
		batch = append(batch, shard.Record{
			Tenure: shard.Tenure{Term: 3, Reboot: 1}, Seq: uint64(i + 1), Time: time, Added: 1,
			Changes: []shard.Change{{Kind: shard.Put, Key: key, Value: fmt.Appendf(binary.BigEndian.AppendUint64(nil, time), `{"_key":%q,"_id":"c/%s"}`, key, key)}},
		})
	}
	_, err = r.Accept(shard.Batch{Tenure: shard.Tenure{Term: 3, Reboot: 1}, Records: batch, Commit: uint64(applied)})
	require.NoError(s.t, err)
}

func at(seq uint64) dbclient.Position {
	return dbclient.Position{Tenure: dbclient.Tenure{Term: 3, Reboot: 1}, Seq: seq}
}

// withReplicas publishes a piece with replicas, and what leaders elsewhere stated of them.
func (s *server) withReplicas(statements ...dbclient.ShardStatement) dbclient.Piece {
	s.t.Helper()
	ctx := s.t.Context()
	require.NoError(s.t, s.store.Attempts.Prepare(ctx, s.e, testID, "n1"))
	_, err := s.store.Attempts.Cut(ctx, s.e, testID, "n1")
	require.NoError(s.t, err)
	req := linkRequest(testID, "n1")
	req.Statements = statements
	meta, err := s.store.Attempts.Link(ctx, req)
	require.NoError(s.t, err)
	require.NoError(s.t, s.store.Attempts.Seal(s.t.Context(), dbclient.SealRequest{ID: testID, Nonce: "n1", Certificate: json.RawMessage(testCert)}))
	require.NoError(s.t, s.store.Attempts.Publish(s.t.Context(), testID, "n1"))
	return meta
}

var stated = []dbclient.ShardStatement{
	{Shard: "s1", Term: 3, Last: at(5), InSync: []string{"PRMR-0", "PRMR-1"}},
	{Shard: "s2", Term: 3, Last: at(9), InSync: []string{"PRMR-0"}},
	{Shard: "s9", Term: 3, Last: at(1), InSync: []string{"PRMR-0"}}, // not made here yet
}

// A piece says where each of its replicas stands, as the cut has it and not as it was told,
// and a verify reads that again.
func TestPieceSaysWhereItsReplicasStand(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	s.follower("s1", 7, 3)
	s.follower("s2", 4, 4)
	meta := s.withReplicas(stated...)
	tenure := dbclient.Tenure{Term: 3, Reboot: 1}
	want := map[string]dbclient.PieceReplica{"s1": {Last: at(7), Committed: 3, At: &tenure}, "s2": {Last: at(4), Committed: 4}}
	require.Equal(t, want, meta.Replicas)
	s.follower("s3", 1, 1) // after the cut
	require.Equal(t, want, requireIntact(t, s.store, testID).Piece.Replicas)
	details, err := s.store.Published.List(dbclient.ListRequest{WithDetails: true})
	require.NoError(t, err)
	require.Equal(t, want, details[0].Replicas)
	plain, err := s.store.Published.List(dbclient.ListRequest{})
	require.NoError(t, err)
	require.Empty(t, plain[0].Replicas, "a list would grow with the shards")

	// A manifest that says something else is found out, though its own hash is right.
	dir := s.store.Published.publishedPath(testID)
	var m piece.Manifest
	require.NoError(t, s.store.Published.disk.ReadJSON(s.fs.PathJoin(dir, piece.FileManifest), &m))
	require.Equal(t, stated, m.Statements)
	for name, spoil := range map[string]func(map[string]dbclient.PieceReplica){
		"another position": func(r map[string]dbclient.PieceReplica) { r["s2"] = dbclient.PieceReplica{Last: at(9), Committed: 4} },
		"one is missing":   func(r map[string]dbclient.PieceReplica) { delete(r, "s2") },
		"one too many":     func(r map[string]dbclient.PieceReplica) { r["s4"] = dbclient.PieceReplica{} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := m
			changed.Replicas = map[string]dbclient.PieceReplica{"s1": want["s1"], "s2": want["s2"]}
			spoil(changed.Replicas)
			data, err := json.MarshalIndent(changed, "", " ")
			require.NoError(t, err)
			require.NoError(t, s.store.Published.disk.WriteFile(s.fs.PathJoin(dir, piece.FileManifest), data))
			changedMeta := meta
			changedMeta.Replicas, changedMeta.ManifestSHA256 = nil, hashOf(data)
			require.NoError(t, s.store.Published.disk.WriteJSON(s.fs.PathJoin(dir, piece.FileMeta), changedMeta))
			v, err := s.store.Published.Verify(t.Context(), testID)
			require.NoError(t, err)
			require.Len(t, v.Problems, 1)
			require.Contains(t, v.Problems[0], "engine: the replica of shard s")
		})
	}
}

// opened is a file system that tells of each file that is opened.
type opened struct {
	vfs.FS
	tell func(name string)
}

func (f opened) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f.tell(name)
	return f.FS.Open(name, o...)
}

// Opening the engine of a piece and reading its replicas may take long, and what is read
// counts: the coordinator takes a server that gets nothing done for one that hangs.
func TestReadingReplicasIsProgress(t *testing.T) {
	meter := &engine.Meter{}
	var done []uint64
	s := newServer(t, opened{vfs.NewMem(), func(string) {
		if doing, n := meter.Read(); doing == "reads where the replicas in its piece stand" {
			done = append(done, n)
		}
	}})
	s.follower("s1", 7, 3)
	require.NoError(t, s.store.Attempts.Prepare(t.Context(), s.e, testID, "n1"))
	_, err := s.store.Attempts.Cut(t.Context(), s.e, testID, "n1")
	require.NoError(t, err)
	_, err = s.store.Attempts.Link(engine.WithMeter(t.Context(), meter), linkRequest(testID, "n1"))
	require.NoError(t, err)
	require.Greater(t, len(done), 1, "the engine of the piece was not opened")
	require.Greater(t, done[len(done)-1], done[0])
}

// What each replica was at the cut is in the staged engine: records beyond what was
// certified are gone, and one that was behind knows it. The piece is as it was.
func TestStageTellsReplicasWhatTheyWere(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	s.follower("s1", 7, 3)
	s.follower("s2", 6, 4)
	s.follower("s3", 6, 4) // of which nothing is certified
	s.withReplicas(stated...)
	before := contents(t, s.fs, s.store.Published.publishedPath(testID))
	req := dbclient.StageRequest{ID: testID, Source: "PRMR-1", Epoch: 1, Nonce: "r", FailsafeID: "f", Statements: stated}
	require.NoError(t, s.store.Restores.Stage(t.Context(), req))
	require.Equal(t, before, contents(t, s.fs, s.store.Published.publishedPath(testID)))
	o := testOptions
	o.FS = s.fs
	e, err := engine.Open(s.fs.PathJoin(s.store.Restores.stagedPath(1), piece.DirEngine), o)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	for name, want := range map[string]uint64{"s1": 5, "s2": 4, "s3": 6} {
		r, err := shard.Open(shard.Env{Engine: e, Clock: &shard.Clock{}}, name)
		require.NoError(t, err)
		require.Equal(t, want, r.Seq(), name)
		err = r.Lead(shard.Tenure{Term: 4, Reboot: 1}, nil, false)
		require.Equal(t, name == "s2", err != nil, "%s: %v", name, err)
	}
}

// A piece that cannot be what was certified is not staged.
func TestStageRefusesAReplicaThatWasNotInSync(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	s.follower("s1", 4, 3)
	s.withReplicas()
	for name, st := range map[string]dbclient.ShardStatement{"it is behind": stated[0], "there is none": {Shard: "s8", InSync: []string{"PRMR-1"}}} {
		t.Run(name, func(t *testing.T) {
			req := dbclient.StageRequest{ID: testID, Source: "PRMR-1", Epoch: 1, Nonce: "r", FailsafeID: "f", Statements: []dbclient.ShardStatement{st}}
			require.ErrorContains(t, s.store.Restores.Stage(t.Context(), req), "engine of the piece")
			staged, err := s.store.Restores.Staged()
			require.NoError(t, err)
			require.Empty(t, staged)
		})
	}
}

// A piece of format 1 says nothing of replicas, is intact, and is staged as it is.
func TestPieceOfFormatOne(t *testing.T) {
	s := newServer(t, vfs.NewMem())
	s.follower("s1", 7, 3)
	meta := s.withReplicas()
	dir := s.store.Published.publishedPath(testID)
	var m map[string]any
	require.NoError(t, s.store.Published.disk.ReadJSON(s.fs.PathJoin(dir, piece.FileManifest), &m))
	m["format"] = 1
	delete(m, "replicas")
	data, err := json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, s.store.Published.disk.WriteFile(s.fs.PathJoin(dir, piece.FileManifest), data))
	meta.Replicas, meta.ManifestSHA256 = nil, hashOf(data)
	require.NoError(t, s.store.Published.disk.WriteJSON(s.fs.PathJoin(dir, piece.FileMeta), meta))
	require.Empty(t, requireIntact(t, s.store, testID).Piece.Replicas)
	require.NoError(t, s.store.Restores.Stage(t.Context(), dbclient.StageRequest{ID: testID, Source: "PRMR-1", Epoch: 1, Nonce: "r", FailsafeID: "f"}))

	m["format"] = piece.ManifestFormat + 1
	data, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, s.store.Published.disk.WriteFile(s.fs.PathJoin(dir, piece.FileManifest), data))
	meta.ManifestSHA256 = hashOf(data)
	require.NoError(t, s.store.Published.disk.WriteJSON(s.fs.PathJoin(dir, piece.FileMeta), meta))
	err = s.store.Restores.Stage(t.Context(), dbclient.StageRequest{ID: testID, Source: "PRMR-1", Epoch: 1, Nonce: "r", FailsafeID: "f"})
	require.ErrorContains(t, err, "a newer version made the piece")
}
