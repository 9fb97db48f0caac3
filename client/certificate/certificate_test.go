package certificate

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func goodCertificate() *Certificate {
	server := func(granted, released float64) ServerEvidence {
		return ServerEvidence{LockAsked: 1, Granted: granted, CutAsked: 2.001, CutDone: 2.004, ReleaseAsked: released,
			Gate: Gate{Unbroken: true, HeldSeconds: released - granted + 0.002}}
	}
	return &Certificate{Format: Format, Instant: Instant{LockMode: LockModeGates, From: 2, To: 2.005},
		Servers: map[string]ServerEvidence{"a": server(1.5, 2.005), "b": server(2, 2.006)}}
}

// Whatever in the evidence does not hold is found: each line breaks one step of
// the argument that the backup is one instant.
func TestCertificateShowsOneInstantOrSaysWhyNot(t *testing.T) {
	require.Empty(t, goodCertificate().Problems())
	for name, spoil := range map[string]func(c *Certificate, e *ServerEvidence){
		"gate broken":            func(_ *Certificate, e *ServerEvidence) { e.Gate.Unbroken = false },
		"granted too late":       func(_ *Certificate, e *ServerEvidence) { e.Granted = 2.0001 },
		"cut before the instant": func(_ *Certificate, e *ServerEvidence) { e.CutAsked = 1.9 },
		"cut after the instant":  func(_ *Certificate, e *ServerEvidence) { e.CutDone = 2.0051 },
		"released too early":     func(_ *Certificate, e *ServerEvidence) { e.ReleaseAsked = 2.0049 },
		"held too short":         func(_ *Certificate, e *ServerEvidence) { e.Gate.HeldSeconds = 0.1 },
		"held not a number":      func(_ *Certificate, e *ServerEvidence) { e.Gate.HeldSeconds = math.NaN() },
		"no instant":             func(c *Certificate, _ *ServerEvidence) { c.Instant.From = 2.006 },
		"no lock":                func(c *Certificate, _ *ServerEvidence) { c.Instant.LockMode = LockModeNone },
		"unknown format":         func(c *Certificate, _ *ServerEvidence) { c.Format = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			c := goodCertificate()
			e := c.Servers["a"]
			spoil(c, &e)
			c.Servers["a"] = e
			require.NotEmpty(t, c.Problems())
		})
	}
	empty := goodCertificate()
	empty.Servers = nil
	require.NotEmpty(t, empty.Problems())
}

// If the evidence holds, there is a moment that lies inside every server's hold
// and every cut lies inside all of them.
func TestEvidenceThatHoldsHasACommonMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Float64Range(0, 10)
		c := &Certificate{Format: 1, Instant: Instant{LockModeGates, moment.Draw(t, "from"), moment.Draw(t, "to")}, Servers: map[string]ServerEvidence{}}
		for _, id := range []string{"a", "b"} {
			c.Servers[id] = ServerEvidence{Granted: moment.Draw(t, "granted"), CutAsked: moment.Draw(t, "asked"), CutDone: moment.Draw(t, "done"),
				ReleaseAsked: moment.Draw(t, "release"), Gate: Gate{Unbroken: true, HeldSeconds: 20}}
		}
		if len(c.Problems()) > 0 {
			return
		}
		for _, one := range c.Servers {
			for _, other := range c.Servers {
				require.LessOrEqual(t, other.Granted, one.CutAsked)
				require.GreaterOrEqual(t, other.ReleaseAsked, one.CutDone)
			}
		}
	})
}

// The hash survives whatever reformats the JSON on its way.
func TestHashOfJSONIsCanonical(t *testing.T) {
	a, err := Hash(json.RawMessage(`{"b":[1,2.50],"a":"<&>","n":9007199254740993}`))
	require.NoError(t, err)
	b, err := Hash(json.RawMessage("{ \"n\": 9007199254740993, \"a\":\"\\u003c\\u0026>\",\n\"b\":[1, 2.50]}"))
	require.NoError(t, err)
	require.Equal(t, a, b)
	c, err := Hash(json.RawMessage(`{"b":[1,2.50],"a":"<&>","n":9007199254740992}`))
	require.NoError(t, err)
	require.NotEqual(t, a, c)
}

func TestCertificateSurvivesStorage(t *testing.T) {
	c := goodCertificate()
	raw, err := c.Encode()
	require.NoError(t, err)
	read, err := Parse(raw)
	require.NoError(t, err)
	require.Equal(t, c, read)
	_, err = Parse([]byte("{"))
	require.Error(t, err)
}

// Check says the same as the lists of problems, as one error.
func TestCheckIsOneError(t *testing.T) {
	c, pieces := certified()
	require.NoError(t, goodCertificate().Check(nil))
	require.NoError(t, c.Check(nil))
	err := c.Check(map[string]Piece{"a": pieces["a"]})
	require.ErrorIs(t, err, ErrUnproven)
	require.ErrorContains(t, err, "the piece of b is missing")
	c.Instant.LockMode = LockModeNone
	require.ErrorIs(t, c.Check(nil), ErrUnproven)
}

// Pieces that all say they are a failsafe need no certificate. One that says so among others
// does not save the others the check.
func TestOneFailsafePieceSavesNoOther(t *testing.T) {
	c := goodCertificate()
	raw, err := c.Encode()
	require.NoError(t, err)
	pieces := map[string]Sealed{"a": {Piece: Piece{Kind: Failsafe, NrDBServers: 2}}, "b": {Piece: Piece{Kind: Failsafe, NrDBServers: 2}}}
	_, problems := Examine(pieces, "")
	require.Empty(t, problems)
	pieces["b"] = Sealed{Piece: Piece{Kind: Hot, NrDBServers: 2}, Certificate: raw}
	_, problems = Examine(pieces, "")
	require.Equal(t, []string{"the piece of a has no certificate"}, problems)
	_, problems = Examine(nil, "")
	require.Equal(t, []string{"there are no pieces"}, problems)
}

// Pieces with a genuine certificate are compared with it, also if all of them say that they are a
// failsafe: the signature would otherwise vouch for forged data.
func TestGenuineCertificateBesideForgedFailsafe(t *testing.T) {
	public, private := keyPair(t)
	c, pieces := certified()
	raw := signed(t, c, private)
	forged := map[string]Sealed{}
	for id, p := range pieces {
		p.Kind, p.ManifestSHA256 = Failsafe, "forged"
		forged[id] = Sealed{Piece: p, Certificate: raw}
	}
	_, err := Trust{Keys: []PublicKey{public}, Strict: true}.Judge(Stored(forged))
	require.NoError(t, err, "the certificate itself is genuine")
	_, problems := Examine(forged, "")
	require.Contains(t, problems, "a: the manifest is not the one that was certified", "a certificate vouches for what it was not made for")
	require.Contains(t, problems, "a: the piece says that it is a failsafe's, which has no certificate")
}
