package piece

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
)

// A backup of which one piece says that it is a failsafe has a certificate to show, in whatever
// order its pieces are looked at.
func TestOneFailsafePieceMakesNoFailsafe(t *testing.T) {
	require.Empty(t, NewSet().Kind())
	s := NewSet()
	s.Add("a", detail("a", dbclient.PieceFailsafe))
	require.Equal(t, dbclient.PieceFailsafe, s.Kind())
	_, _, err := s.Examine(keys.Commit{Servers: []string{"a"}})
	require.NoError(t, err)
	for range 100 { // maps have no order
		s = NewSet()
		for _, server := range []string{"a", "b", "c"} {
			s.Add(server, detail(server, map[bool]string{true: dbclient.PieceFailsafe, false: dbclient.PieceHot}[server == "b"]))
		}
		require.Equal(t, dbclient.PieceHot, s.Kind())
		_, _, err := s.Examine(keys.Commit{Servers: []string{"a", "b", "c"}})
		require.ErrorContains(t, err, "has no certificate")
	}
}

// Pieces that have a certificate are compared with it, also if all of them say that they are a
// failsafe: the signature of a genuine certificate vouches for nothing else.
func TestFailsafeWithCertificateIsExamined(t *testing.T) {
	s := NewSet()
	d := detail("a", dbclient.PieceFailsafe)
	d.Certificate = json.RawMessage(`{"format":1,"id":"x"}`)
	s.Add("a", d)
	_, _, err := s.Examine(keys.Commit{Servers: []string{"a"}})
	require.ErrorContains(t, err, "its piece is not part of the backup")
	_, problems := s.Certify("")
	require.Contains(t, problems, "a: its piece is not part of the backup")
}

func detail(server, kind string) dbclient.PieceDetail {
	return dbclient.PieceDetail{
		Piece:      dbclient.Piece{ServerID: server, Kind: kind, NrDBServers: 1},
		AgencyDump: &dbclient.AgencyDump{Dump: json.RawMessage(`[{"arango":{"Plan":{}}}]`)},
	}
}
