package piece

import (
	"slices"

	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// Set is the pieces that servers have of one backup.
type Set struct {
	Pieces  map[string]dbclient.PieceDetail // by the server that made it
	Holders map[string]string               // the server that has it now, by the same
}

// NewSet makes an empty set.
func NewSet() *Set {
	return &Set{Pieces: map[string]dbclient.PieceDetail{}, Holders: map[string]string{}}
}

// Collect makes the set of one backup.
func Collect(lists Lists, id string) *Set {
	set := NewSet()
	for _, l := range lists {
		for _, p := range l.Value.Pieces {
			if p.ID == id {
				set.Add(l.ID, p)
			}
		}
	}
	return set
}

// Add adds a piece that holder has.
func (s *Set) Add(holder string, p dbclient.PieceDetail) {
	s.Pieces[p.ServerID] = p
	s.Holders[p.ServerID] = holder
}

// plain returns the pieces without their dumps and certificates.
func (s *Set) plain() map[string]dbclient.Piece {
	out := make(map[string]dbclient.Piece, len(s.Pieces))
	for source, p := range s.Pieces {
		out[source] = p.Piece
	}
	return out
}

// Missing returns the expected servers whose piece is missing, sorted.
func (s *Set) Missing(expected []string) []string {
	return slices.DeleteFunc(topology.SortedSet(expected), func(id string) bool {
		_, there := s.Pieces[id]
		return there
	})
}

// Kind is the kind of the backup: dbclient.PieceHot or PieceFailsafe, "" without pieces. It is a
// failsafe only if all pieces are: one that only says so must not save the others the check of the
// certificate.
func (s *Set) Kind() (kind string) {
	for _, p := range s.Pieces {
		if kind == "" || p.Kind != dbclient.PieceFailsafe {
			kind = p.Kind
		}
	}
	return kind
}
