package create

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// linkedCreation is a backup of one shard on two servers, as it is after its link: the
// gates' evidence shows one instant, and each piece has what the leader stated.
func linkedCreation() *creation {
	c := &creation{
		by: &Creator{Coordinator: "CRDN-a", Locks: &lock.Locker{}}, op: operation.New("create", "id", nil, hclog.NewNullLogger()), moment: backupid.Now(nil),
		cluster: &topology.Cluster{UUID: "u", Index: 7, Term: 2, Epoch: 1},
		shards:  map[string]topology.Shard{"s1": {Name: "s1", Servers: []string{"a", "b"}, Term: 4}},
		pieces:  map[string]dbclient.Piece{},
	}
	at := dbclient.Tenure{Term: 3, Reboot: 2}
	last := dbclient.Position{Tenure: at, Seq: 10}
	c.thawAsked = c.op.Began.Add(3 * time.Second)
	c.gates = &globalLock{
		instant:    certificate.Instant{LockMode: certificate.LockModeGates, From: 2, To: 2.005},
		evidence:   map[string]certificate.ServerEvidence{},
		statements: map[string]dbclient.ShardStatement{"s1": {Shard: "s1", Term: 4, Last: last, InSync: []string{"a", "b"}}},
	}
	for _, id := range []string{"a", "b"} {
		c.gates.evidence[id] = certificate.ServerEvidence{
			LockAsked: 1, Granted: 1.5, CutAsked: 2.001, CutDone: 2.004, ReleaseAsked: 2.006,
			Gate: dbclient.GateReleaseResponse{Unbroken: true, HeldSeconds: 0.51},
		}
		c.pieces[id] = dbclient.Piece{
			ID: c.op.ID, Nonce: c.op.Nonce, Epoch: 1, ServerID: id, NrDBServers: 2, ManifestSHA256: "m" + id, AgencyDumpSHA256: "d",
			Replicas: map[string]dbclient.PieceReplica{"s1": {Last: last, Committed: 10, At: &at}},
		}
	}
	return c
}

// Before its commit a create compares the statements of the leaders with Plan once more.
func TestShardWithoutAStatement(t *testing.T) {
	c := linkedCreation()
	require.Empty(t, c.doubts(c.certify()))
	c.shards["s7"] = topology.Shard{Name: "s7", Servers: []string{"a"}}
	const missing = "shard s7 of /: no leader has stated who was in sync"
	require.Equal(t, []string{missing}, c.doubts(c.certify()))

	cert := c.certify()
	c.marked = true // the gates' part may fail then, and Plan's part must not
	require.Equal(t, []string{missing}, c.doubts(cert))
}

// A certificate is compared with the pieces, with Plan, and with its own evidence. The
// evidence alone may fail in a backup that is marked.
func TestDoubtsAboutACertificate(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(c *creation, cert *certificate.Certificate)
		says   string
		marked bool // it is a doubt also about a backup that is marked
	}{
		"a gate was not held": {func(c *creation, cert *certificate.Certificate) {
			e := cert.Servers["b"]
			e.Gate.Unbroken = false
			cert.Servers["b"] = e
		}, "b: the gate was not held without a break", false},
		"a piece has another manifest": {func(c *creation, _ *certificate.Certificate) {
			p := c.pieces["b"]
			p.ManifestSHA256 = "other"
			c.pieces["b"] = p
		}, "b: the manifest is not the one that was certified", true},
		"a replica is behind": {func(c *creation, _ *certificate.Certificate) {
			c.pieces["b"].Replicas["s1"] = dbclient.PieceReplica{}
		}, "b: shard s1 was in sync at record 10", true},
		"Plan has another term": {func(c *creation, _ *certificate.Certificate) {
			c.shards["s1"] = topology.Shard{Name: "s1", Servers: []string{"a", "b"}, Term: 5}
		}, "stated in term 4 who was in sync, Plan has [a b] in term 5", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, marked := range []bool{false, true} {
				made := linkedCreation()
				if made.marked = marked; marked {
					for id, p := range made.pieces {
						p.PotentiallyInconsistent = true
						made.pieces[id] = p
					}
				}
				cert := made.certify()
				require.Empty(t, made.doubts(cert))
				c.spoil(made, cert)
				doubts := made.doubts(cert)
				if marked && !c.marked {
					require.Empty(t, doubts)
					continue
				}
				require.Len(t, doubts, 1)
				require.Contains(t, strings.Join(doubts, "; "), c.says)
			}
		})
	}
}
