package reader

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
)

// set is the pieces of one backup, which belong together and are all that there are.
type set struct {
	id     string
	pieces map[string]*described // by the server that made them
	shards map[string]certificate.Shard
	plan   json.RawMessage
	index  uint64
	cert   *certificate.Certificate // nil: a failsafe
}

// collect reads the small files of the pieces and says why they are not one whole backup.
func collect(ctx context.Context, id string, pieces []Piece) (*set, *Refusal) {
	s := &set{id: id, pieces: map[string]*described{}}
	if len(pieces) == 0 {
		return nil, refused(id, ErrIncomplete, "no piece is given")
	}
	for _, p := range pieces {
		d, refusal := describe(ctx, id, p)
		if refusal != nil {
			return nil, refusal
		}
		if other := s.pieces[d.meta.ServerID]; other != nil {
			return nil, refused(id, ErrTwice, "%s and %s are both the piece of %s", other.Dir, p.Dir, d.meta.ServerID)
		}
		s.pieces[d.meta.ServerID] = d
	}
	for _, check := range []func() *Refusal{s.together, s.dump, s.complete, s.certify} {
		if refusal := check(); refusal != nil {
			return nil, refusal
		}
	}
	return s, nil
}

// servers are those that made the pieces, in order.
func (s *set) servers() []string { return slices.Sorted(maps.Keys(s.pieces)) }

// together finds pieces that are of another attempt, of another cluster, or of another kind than the first.
func (s *set) together() *Refusal {
	servers := s.servers()
	first := s.pieces[servers[0]]
	for _, server := range servers[1:] {
		d := s.pieces[server]
		differ := ""
		switch {
		case d.dump.ClusterID != first.dump.ClusterID:
			differ = fmt.Sprintf("one is of the cluster %s, the other of %s", first.dump.ClusterID, d.dump.ClusterID)
		case d.meta.Nonce != first.meta.Nonce:
			differ = "they were made by two attempts"
		case d.meta.Kind != first.meta.Kind:
			differ = fmt.Sprintf("one is %s, the other %s", first.meta.Kind, d.meta.Kind)
		case d.meta.AgencyDumpSHA256 != first.meta.AgencyDumpSHA256:
			differ = "their agency dumps differ"
		case !sameJSON(d.certificate, first.certificate):
			differ = "their certificates differ"
		}
		if differ != "" {
			return refused(s.id, ErrMixed, "%s and %s: %s", first.Dir, d.Dir, differ)
		}
	}
	return nil
}

// sameJSON compares values however they are formatted.
func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	one, err1 := certificate.Hash(a)
	other, err2 := certificate.Hash(b)
	return err1 == nil && err2 == nil && one == other
}

// dump reads Plan.
func (s *set) dump() *Refusal {
	first := s.pieces[s.servers()[0]]
	stored, err := topology.ParseDump(first.dump.Dump)
	if err == nil {
		s.shards, err = stored.Shards()
	}
	if err != nil {
		return refused(s.id, ErrDamaged, "%s: %w", first.Dir, err)
	}
	var dump []struct {
		Arango struct{ Plan json.RawMessage } `json:"arango"`
	}
	if err := json.Unmarshal(first.dump.Dump, &dump); err != nil || len(dump) != 1 {
		return refused(s.id, ErrDamaged, "%s: the agency dump has no Plan: %w", first.Dir, err)
	}
	s.plan, s.index = dump[0].Arango.Plan, first.dump.Index
	if missing := s.without(stored.DBServers); len(missing) > 0 {
		return refused(s.id, ErrIncomplete, "the pieces of %s are missing", strings.Join(missing, ", "))
	}
	return nil
}

// without are the expected servers of which there is no piece.
func (s *set) without(expected []string) []string {
	return slices.DeleteFunc(topology.SortedSet(expected), func(server string) bool { return s.pieces[server] != nil })
}

// complete counts the pieces.
func (s *set) complete() *Refusal {
	for _, server := range s.servers() {
		switch d := s.pieces[server]; {
		case d.meta.NrDBServers > len(s.pieces):
			return refused(s.id, ErrIncomplete, "%d pieces are given, the backup has %d", len(s.pieces), d.meta.NrDBServers)
		case d.meta.NrDBServers < len(s.pieces):
			return refused(s.id, ErrMixed, "%d pieces are given, the backup has %d", len(s.pieces), d.meta.NrDBServers)
		}
	}
	return nil
}

// certify compares the pieces and Plan with the certificate.
func (s *set) certify() *Refusal {
	first := s.pieces[s.servers()[0]]
	if first.certificate == nil {
		return nil
	}
	cert, err := certificate.Parse(first.certificate)
	if err != nil {
		return refused(s.id, ErrDamaged, "%s: %w", first.Dir, err)
	}
	plain := make(map[string]certificate.Piece, len(s.pieces))
	for server, d := range s.pieces {
		plain[server] = d.meta
	}
	problems := cert.Compare(plain)
	hash, err := certificate.Hash(first.dump)
	if err != nil {
		return refused(s.id, ErrDamaged, "%s: %w", first.Dir, err)
	}
	if hash != cert.Agency.DumpSHA256 || s.index != cert.Agency.Index {
		problems = append(problems, fmt.Sprintf("Plan is dumped at index %d, and is not the Plan that was certified at index %d", s.index, cert.Agency.Index))
	}
	if problems = append(problems, cert.PlanProblems(s.shards)...); len(problems) > 0 {
		return &Refusal{ID: s.id, Because: ErrUnproven, Problems: problems}
	}
	s.cert = cert
	return nil
}
