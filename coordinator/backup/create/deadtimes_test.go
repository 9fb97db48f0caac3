package create

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
)

// A server that the newest attempt has not reached tells, when the create is undone, of the attempt
// before, whose release it never got: those writers waited, and nothing of it counts twice.
func TestEarlierAttemptIsToldAtTheEnd(t *testing.T) {
	d := newDeadTimes(nil, nil)
	d.begin(1)
	d.begin(2)
	final, answer := dbclient.GateReleaseRequest{Final: true}, dbclient.GateReleaseResponse{Attempt: 1, WritersWaited: 3, DeadSumSeconds: 2, DeadLongestSeconds: 1}
	for range 2 {
		d.keep("a", final, answer)
	}
	d.keep("b", final, dbclient.GateReleaseResponse{})
	servers := func() map[string]certificate.GateAttempt { return map[string]certificate.GateAttempt{"a": {}, "b": {}} }
	report := certificate.LockReport{Attempts: []certificate.Attempt{{Servers: servers()}, {Servers: servers()}}}
	for range 2 {
		d.into(&report, func(time.Time) float64 { return 1 })
	}
	require.Equal(t, &certificate.DeadTime{Writers: 3, SumSeconds: 2, LongestSeconds: 1}, report.Attempts[0].Servers["a"].Dead)
	require.Equal(t, &certificate.DeadTime{}, report.Attempts[1].Servers["a"].Dead, "the attempt has held up no writer there")
	require.Equal(t, []string{"b"}, report.DeadUnknown, "what it does not remember is not zero")
	require.Equal(t, 3, report.WritersWaited)
	require.InDelta(t, 2, report.DeadSumSeconds, 1e-9)
}
