package certificate

import (
	"fmt"
	"maps"
	"slices"
)

// PieceProblems compares pieces, by the server that made them, and their replicas with the
// certificate. It returns nothing if they are exactly those for which the certificate was made.
func (c *Certificate) PieceProblems(pieces map[string]Piece) []string {
	var out []string
	dump := ""
	for _, id := range slices.Sorted(maps.Keys(c.Servers)) {
		p, ok := pieces[id]
		if !ok {
			out = append(out, "the piece of "+id+" is missing")
			continue
		}
		for _, why := range c.pieceProblems(p, c.Servers[id].Piece) {
			out = append(out, id+": "+why)
		}
		if dump == "" {
			dump = p.AgencyDumpSHA256
		} else if p.AgencyDumpSHA256 != dump {
			out = append(out, id+": its agency dump is not that of the other pieces")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(pieces)) {
		if _, ok := c.Servers[id]; !ok {
			out = append(out, id+": its piece is not part of the backup")
		}
	}
	return append(out, c.replicaProblems(pieces)...)
}

// ProblemsOf compares one piece, without its replicas, with the certificate.
func (c *Certificate) ProblemsOf(p Piece) []string {
	e, known := c.Servers[p.ServerID]
	if !known {
		return []string{"the piece of " + p.ServerID + " is not part of the backup"}
	}
	return c.pieceProblems(p, e.Piece)
}

func (c *Certificate) pieceProblems(p Piece, want PieceEvidence) []string {
	var out []string
	check := func(good bool, why string) {
		if !good {
			out = append(out, why)
		}
	}
	check(p.Kind != Failsafe, "the piece says that it is a failsafe's, which has no certificate")
	check(p.ID == c.ID, "the piece is of backup "+p.ID)
	check(p.Nonce == c.Nonce, "the piece was made by another attempt")
	check(p.Epoch == c.Agency.Epoch, fmt.Sprintf("the piece is of epoch %d, not %d", p.Epoch, c.Agency.Epoch))
	check(p.NrDBServers == len(c.Servers), fmt.Sprintf("the piece is one of %d, not of %d", p.NrDBServers, len(c.Servers)))
	check(p.PotentiallyInconsistent == c.PotentiallyInconsistent, "piece and certificate differ in whether the backup is potentially inconsistent")
	check(p.LockMode == "" || p.LockMode == c.Instant.Mode(), "piece and certificate differ in the lock mode")
	check(p.ManifestSHA256 == want.ManifestSHA256 && p.ManifestSHA256 != "", "the manifest is not the one that was certified")
	check(p.AgencyDumpSHA256 == want.AgencyDumpSHA256 && p.AgencyDumpSHA256 != "", "the agency dump is not the one that was certified")
	check(p.SizeInBytes == want.SizeInBytes && p.NrFiles == want.NrFiles, "size or number of files differ from what was certified")
	return out
}
