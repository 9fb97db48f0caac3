package client_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// The lock report of a create that has failed crosses the wire beside its number. What is not known
// is not zero.
func TestLockReportOfAnError(t *testing.T) {
	want := client.LockReport{
		Attempts: []certificate.Attempt{{
			WindowSeconds: 0.5, Failed: map[string]string{"PRMR-2": "does not answer"}, LastServer: "PRMR-2", AskedSeconds: 0.25, SkewSeconds: 0.125,
			Servers: map[string]certificate.GateAttempt{
				"PRMR-1": {Asked: 0.25, Answered: 0.5, Granted: true, Dead: &certificate.DeadTime{Writers: 3, SumSeconds: 1.5, LongestSeconds: 0.5, P99Seconds: 0.5}},
				"PRMR-2": {Asked: 0.25, Answered: 0.75},
			},
		}},
		WritersWaited: 3, DeadSumSeconds: 1.5, DeadLongestSeconds: 0.5, DeadUnknown: []string{"PRMR-2"},
	}
	shared := apierror.New(apierror.BackupCreate, "x")
	answer := apierror.With(shared, apierror.Report, want)
	require.Nil(t, shared.Extra, "an error that others share is not changed")
	_, err := answering(t, answer).Backups().Create(t.Context(), client.CreateRequest{})
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, int(apierror.BackupCreate), e.Number)
	require.Equal(t, &want, e.LockReport())
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"report":{`, "as scripts see it")

	_, err = answering(t, shared).Backups().Create(t.Context(), client.CreateRequest{})
	require.ErrorAs(t, err, &e)
	require.Nil(t, e.LockReport())
	require.Nil(t, (&client.Error{}).LockReport())
}
